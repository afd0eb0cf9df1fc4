// Takes away what speaks to addresses instead of asking for URLs: nothing of ours sees where that goes. A page that looks for
// these finds a browser without them, as there are many. Below, the browser itself is told to send no datagrams, and kept
// from every network where the system can do that; workers have none of these but WebTransport, which needs a name.

for (const name of Object.getOwnPropertyNames(window)) {
  if (/^(webkit)?RTC|^WebTransport/.test(name)) delete window[name];
}
