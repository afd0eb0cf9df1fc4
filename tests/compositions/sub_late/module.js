const text = document.getElementById("module-text");
await new Promise((done) => setTimeout(done, 30));
window.__timelines.module = { duration: () => 1, play() {}, pause() {}, seek(t) { text.style.marginLeft = `${t * 150}px`; } };
