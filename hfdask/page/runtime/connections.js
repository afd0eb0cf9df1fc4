// Keeps pages from speaking to addresses: nothing of ours would see where that goes. A peer connection can be made, as an honest
// page does that never hears from its peer, but it is never told of a server, and does not begin to connect. WebTransport
// is taken away, as many browsers lack it; in workers it stays, where it needs a name that nothing resolves. Below this, the browser itself
// is told to send no datagrams, and kept from every network where the system can do that.

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
