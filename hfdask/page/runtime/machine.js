// Gives a page the same answers about its machine on all machines. The host sets size, language, time zone and the preferences of
// the user.

/** @param {string} kind */
function answerAlike(kind, answers) {
  const prototype = window[kind]?.prototype;
  for (const [name, answer] of Object.entries(prototype ? answers : {})) {
    if (describeProperty(prototype, name)?.get) {
      redefine(prototype, name, { __proto__: null, get: () => answer, configurable: true, enumerable: true });
    }
  }
}

answerAlike("Navigator", { hardwareConcurrency: 4, deviceMemory: 8, cpuPerformance: 3, maxTouchPoints: 0 });
answerAlike("NetworkInformation", { effectiveType: "4g", rtt: 50, downlink: 10, saveData: false });
answerAlike("BatteryManager", { charging: true, chargingTime: 0, dischargingTime: Infinity, level: 1 });
answerAlike("Performance", {
  memory: Object.freeze({ jsHeapSizeLimit: 4_294_705_152, totalJSHeapSize: 10_000_000, usedJSHeapSize: 10_000_000 }),
});
if (window.StorageManager) {
  define(StorageManager.prototype, "estimate", async () => ({ quota: 10 * 2 ** 30, usage: 0, usageDetails: {} }));
}
// The runtime's own storage is not the page's.
const { StorageBucketManager } = /** @type {any} */ (window);
if (StorageBucketManager) {
  const { keys } = StorageBucketManager.prototype;
  define(StorageBucketManager.prototype, "keys", async function () {
    return (await apply(keys, this, [])).filter((name) => !name.startsWith("hfdask-"));
  });
}
if (window.MediaDevices) define(MediaDevices.prototype, "enumerateDevices", async () => []);
delete window.PressureObserver; // how busy the machine is

// A service worker would see what other pages left, and answers by the real clock. A page that registers one goes on, as it does before
// it is there.
if (window.ServiceWorkerContainer) {
  define(ServiceWorkerContainer.prototype, "register", async (_url, { scope = "./" } = {}) => {
    const none = { installing: null, waiting: null, active: null, onupdatefound: null };
    const registration = Object.assign(new EventTarget(), none, {
      scope: new URL(scope, document.baseURI).href,
      update: async () => registration,
      unregister: async () => true,
    });
    return registration;
  });
}
