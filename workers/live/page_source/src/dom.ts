/** Makes elements. Text becomes text nodes and never markup: most of it comes from Kafka. */

type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | null | undefined | ((event: never) => void);

/** `h("a", { class: "tile", href: "#/", onclick: go }, "text", child)` */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as unknown as EventListener);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

/** Writes only what changes: a page of many tiles is written twice a second. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | number | boolean | null | undefined): void {
  const text = value === true ? "" : value === false || value === null || value === undefined ? null : String(value);
  if (text === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** A labelled choice; `chosen` is told the value. */
export function choice(
  label: string,
  options: readonly (readonly [value: string, text: string])[],
  value: string,
  chosen: (value: string) => void,
): HTMLLabelElement {
  const select = h(
    "select",
    { onchange: () => chosen(select.value) },
    ...options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)),
  );
  return h("label", {}, label, select);
}

export function debounced(wait_ms: number, act: () => void): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(act, wait_ms);
  };
}
