// The order page changes by itself: it asks how the order stands, and loads itself anew when that
// is no longer what it shows. Without this script, reloading by hand does the same.
const order = document.querySelector("[data-status]");
const began = Date.now();
let timer;

async function look() {
  try {
    // Has the shop ask Alipay, should the notification be lost.
    if (order.dataset.result) await fetch(order.dataset.result, { cache: "no-store" });
    const answer = await fetch(order.dataset.status, { cache: "no-store" });
    if (answer.ok && (await answer.json()).state !== order.dataset.state) return location.reload();
  } catch (error) {
    // No network for a moment. The next look may find it.
  }
  const minutes = (Date.now() - began) / 60000;
  clearTimeout(timer);
  if (minutes < 45) timer = setTimeout(look, minutes < 2 ? 2000 : 6000);
}

// No address to ask at: the order has come to its end. Every other state may still change: money can
// come after the time was over, and a parcel can be on its way.
if (order) {
  timer = setTimeout(look, 2000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
}

const clock = document.getElementById("clock");
if (clock) {
  // The server says how much is left, since the buyer's clock may be wrong.
  const end = began + Number(clock.dataset.left) * 1000;
  setInterval(() => {
    const left = Math.max(0, Math.round((end - Date.now()) / 1000));
    clock.textContent = `Please pay within ${Math.floor(left / 60)} min ${left % 60} s.`;
  }, 1000);
}
