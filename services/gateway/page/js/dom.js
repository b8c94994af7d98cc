// Makes elements: the page's whole view layer. Text is only ever set as text, never as markup.

/**
 * @param {string} tag
 * @param {Record<string, any>} [given] attributes; `on…` are listeners, `class` and `dataset` as one expects,
 *   false, null and undefined leave an attribute out
 * @param {...(Node|string|number|null|false|undefined)} children
 * @returns {any}
 */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) set(element, name, value);
  element.append(...children.filter((child) => child != null && child !== false).map(asNode));
  return element;
}

/** Gives the element other children. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child != null && child !== false).map(asNode));
  return element;
}

/** Sets text only where it differs, so that a screen reader isn't told the same again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name in PROPERTIES) element[PROPERTIES[name]] = value ?? "";
  else if (value == null || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

const PROPERTIES = { value: "value", checked: "checked", indeterminate: "indeterminate" };

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

const SIGNS = {
  close: "M6 6l12 12M18 6 6 18",
  star: "M12 4l2.5 5.2 5.7.8-4.1 4 1 5.7-5.1-2.7-5.1 2.7 1-5.7-4.1-4 5.7-.8z",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  again: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12",
  download: "M12 4v10m0 0 4-4m-4 4-4-4M5 19h14",
  folder: "M4 6h6l2 2h8v10H4z",
  check: "M5 12.5l4.5 4.5L19 7.5",
};

/** A drawn sign, silent to screen readers: what it means is said by the label beside it. */
export function sign(name) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  drawing.classList.add("sign");
  path.setAttribute("d", SIGNS[name]);
  drawing.append(path);
  return drawing;
}

/** A picture that is asked for again where its host did not answer at once. */
export function picture(address, given = {}) {
  const image = h("img", { decoding: "async", ...given, src: address });
  let pause = 1_000;
  image.addEventListener("error", () => {
    if (pause > 30_000) return;
    setTimeout(() => image.isConnected && (image.src = address), pause);
    pause *= 2;
  });
  return image;
}

/** Does one thing at a time. It is said, not disabled: whoever pressed the button keeps the focus. */
export async function busy(button, act) {
  if (button.ariaDisabled === "true") return;
  set(button, "aria-disabled", "true");
  try {
    await act();
  } finally {
    set(button, "aria-disabled", null);
  }
}

/** A short word at the edge of the screen, read aloud too. */
export function toast(text, kind = "said") {
  const word = h("p", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(word);
  setTimeout(() => word.remove(), kind === "wrong" ? 12_000 : 5_000);
}
