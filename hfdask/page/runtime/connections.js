// Keeps pages from connecting to addresses, because no other part of hfdask would see such connections. A page can make a peer
// connection, like a page whose peer never answers. But the connection gets no server and does not begin to connect.
// WebTransport is removed; many browsers lack it. In workers it stays, but it needs a host name, and no name is resolved there. The
// browser itself is also started without datagrams, and without a network if the system supports that.

delete window.WebTransport;

const Peer = window.RTCPeerConnection;
if (Peer) {
  const never = new Promise(() => {});
  const RTCPeerConnection = function RTCPeerConnection() {
    return Reflect.construct(Peer, [], new.target);
  };
  RTCPeerConnection.prototype = Peer.prototype;
  RTCPeerConnection.generateCertificate = Peer.generateCertificate;
  Object.assign(Peer.prototype, {
    setLocalDescription: () => never,
    setRemoteDescription: () => never,
    addIceCandidate: () => never,
    setConfiguration() {},
  });
  Object.defineProperty(Peer.prototype, "constructor", {
    value: RTCPeerConnection,
    configurable: true,
    writable: true,
  });
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection"]) {
    if (name in window)
      Object.defineProperty(window, name, { value: RTCPeerConnection, configurable: true, writable: true });
  }
}
