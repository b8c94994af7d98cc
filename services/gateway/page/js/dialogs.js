// Dialogs: the browser's own, which keep focus inside and close with Escape.

import { call } from "./api.js";
import { h, say, set } from "./dom.js";
import { bearer } from "./session.js";

/** Opens a dialog; what `close(value)` is given comes back, null where it was left. */
export function ask(title, build) {
  return new Promise((resolve) => {
    let answer = null;
    const heading = h("h2", { id: "dialog-title" }, title);
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading);
    const close = (value) => {
      answer = value;
      dialog.close();
      // Now, not at the event that follows: whatever is done next must find the answer in its place.
      resolve(answer);
    };
    dialog.append(build(close));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Whether somebody is sure. */
export function sure(title, detail, yes) {
  return ask(title, (close) =>
    h(
      "form",
      { method: "dialog", class: "stack" },
      h("p", {}, detail),
      h(
        "div",
        { class: "actions end" },
        h("button", { type: "button", class: "quiet", onclick: () => close(false) }, "Keep"),
        h("button", { type: "button", class: "danger", onclick: () => close(true) }, yes),
      ),
    ),
  );
}

/** A name for something; `act(name)` may refuse it, and then says why in the dialog. */
export function name(title, label, given, yes, act, ...more) {
  return ask(title, (close) => {
    const wrong = h("p", { class: "wrong", id: "name-wrong", role: "alert", hidden: true });
    const field = h("input", { id: "name-field", required: true, maxlength: 200, value: given, "aria-describedby": "name-wrong" });
    const submit = h("button", { type: "submit" }, yes);
    const form = h(
      "form",
      { class: "stack" },
      h("label", { for: "name-field" }, label),
      field,
      ...more,
      wrong,
      h("div", { class: "actions end" }, h("button", { type: "button", class: "quiet", onclick: () => close(null) }, "Cancel"), submit),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        close(await act(field.value.trim()));
      } catch (error) {
        say(wrong, error.message);
        set(wrong, "hidden", false);
        field.focus();
      } finally {
        submit.disabled = false;
      }
    });
    return form;
  });
}

/** Registers a character; the new one, or null. */
export function newCharacter(given) {
  const mayPremade = bearer()?.scopes?.includes("premade");
  const premade = h("input", { type: "checkbox", id: "new-premade" });
  const embedding = h("input", { id: "new-embedding", maxlength: 200, placeholder: "optional" });
  const more = [h("label", { for: "new-embedding" }, "Embedding on the GPU server"), embedding];
  if (mayPremade) more.push(h("label", { class: "check" }, premade, "For everybody (premade)"));
  const act = (written) => {
    const body = { name: written, premade: premade.checked };
    if (embedding.value.trim()) body.embedding = embedding.value.trim();
    return call("POST", "/v1/characters", { body });
  };
  return name("New character", "Name", given, "Add", act, ...more);
}
