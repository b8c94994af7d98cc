// Which page is shown, and who looks at it.

import { fill, h, toast } from "./dom.js";
import { make } from "./make.js";
import { bearer, onChange, signOut, takeFromAddress } from "./session.js";
import { signInPage } from "./signin.js";

//: What is seen first is loaded with the page, the rest once it is asked for.
const PAGES = [
  { name: "make", title: "Make", show: make },
  { name: "gallery", title: "Gallery", show: async (...given) => (await import("./gallery.js")).gallery(...given) },
  { name: "usage", title: "Usage", show: async (...given) => (await import("./usage.js")).usage(...given) },
  { name: "operate", title: "Operate", show: async (...given) => (await import("./operate.js")).operate(...given), scope: "operate" },
];

const room = document.getElementById("main");
let leave = () => {};
let turn = 0;
//: Settings that one page hands to the next.
let handed = {};

/** Goes to a page, with settings for it. */
function go(path, settings = {}) {
  handed = settings;
  if (location.hash === `#/${path}`) show();
  else location.hash = `/${path}`;
}

async function show() {
  const mine = ++turn;
  const user = bearer();
  leave();
  leave = () => {};
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const open = PAGES.filter((page) => !page.scope || user?.scopes?.includes(page.scope));
  const page = open.find((each) => each.name === name) ?? open[0];
  frame(user, open, page);
  fill(room);
  const settings = handed;
  handed = {};
  if (!user) return void (leave = signInPage(room));
  document.title = `${page.title} · Darkroom`;
  try {
    const end = await page.show(room, { ...settings, path: rest, go });
    if (mine === turn) leave = end;
    else end();
  } catch (error) {
    if (mine === turn) wrong(error);
  }
}

function frame(user, open, page) {
  const links = open.map((each) => h("a", { href: `#/${each.name}`, "aria-current": each === page ? "page" : null }, each.title));
  fill(document.getElementById("pages"), ...(user ? links : []));
  const out = h("button", { type: "button", class: "quiet", onclick: signOut }, "Sign out");
  fill(document.getElementById("who"), ...(user ? [h("span", {}, user.username), out] : []));
}

function wrong(error) {
  const again = h("button", { type: "button", onclick: show }, "Try again");
  fill(room, h("div", { class: "empty" }, h("h1", {}, "That did not work"), h("p", {}, error.message), again));
  if (!error.status) toast(error.message, "wrong");
}

takeFromAddress();
onChange(show);
addEventListener("hashchange", () => {
  takeFromAddress();
  show();
});
show();
