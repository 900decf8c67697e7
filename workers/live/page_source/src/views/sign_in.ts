/** What is shown to nobody in particular. */

import { type Me, Refused, ask } from "../api";
import { h } from "../dom";

export function signIn(done: (me: Me) => void): HTMLElement {
  const token = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const submit = (event: Event): void => {
    event.preventDefault();
    ask<Me>("/session", "POST", { token: token.value.trim() }).then(done, (error: unknown) => {
      wrong.textContent = error instanceof Refused ? error.message : String(error);
      token.select();
    });
  };
  return h(
    "form",
    { class: "sign-in", onsubmit: submit },
    h("h1", {}, "Mien"),
    h("label", { for: "token" }, "Your token"),
    token,
    h("button", { type: "submit" }, "Sign in"),
    wrong,
    h("p", {}, "An admin makes one with ", h("code", {}, "mien live-token NAME"), "."),
  );
}
