// The door: a token is pasted here, or comes in the address from the host product.

import { fill, h } from "./dom.js";
import { signIn } from "./session.js";

export function signInPage(room) {
  const field = h("textarea", { id: "token", rows: 4, required: true, autocomplete: "off", spellcheck: "false", "aria-describedby": "token-help" });
  const form = h(
    "form",
    { class: "door-form stack" },
    h("h1", {}, "Sign in"),
    h("label", { for: "token" }, "Token"),
    field,
    h("p", { id: "token-help", class: "help" }, "The product you come from gives you one. On your own machine, the link that “make up” prints signs you in."),
    h("button", { type: "submit", class: "main" }, "Sign in"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) signIn(field.value);
  });
  fill(room, form);
  field.focus();
  return () => {};
}
