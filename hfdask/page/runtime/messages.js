// Messages that a page sends to itself. Frameworks use them to update the page a task later (React's scheduler, polyfills of
// `setImmediate`). A frame waits until they have arrived, and the messages that they cause, too. Otherwise it would depend on the machine's load in
// which frame the page shows what they bring.

let sent = false; // true if a message was sent since the last turn
{
  const { postMessage } = MessagePort.prototype;
  override(MessagePort.prototype, {
    postMessage(...args) {
      sent = true;
      return apply(postMessage, this, args);
    },
  });
}
// A function in the place of `window.postMessage` would change who a message is from. So a window that has got a message from itself
// is expected to send more.
let sendsToItself = false;
apply(EventTarget.prototype.addEventListener, window, [
  "message",
  entering(({ source }) => {
    if (source === window) sent = sendsToItself = true;
  }),
  true,
]);

function takeSent() {
  const any = sent;
  sent = false;
  for (const child of childWindows()) if (child.__hfdaskMessages?.takeSent()) return true;
  return any;
}
const expectsMessages = () => sendsToItself || childWindows().some((child) => child.__hfdaskMessages?.expected());

// For the frame above; the page cannot change it.
Object.defineProperty(window, "__hfdaskMessages", {
  value: Object.freeze({ takeSent: entering(takeSent), expected: entering(expectsMessages) }),
});
