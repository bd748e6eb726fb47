// Numbers and elements. No number is a dash, never a zero; text only ever becomes text.

const plain = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });

export const number = (value) => (value === null ? "–" : plain.format(value));

export const percent = (value) => (value === null ? "–" : share.format(value));

export const seconds = (value) => (value === null ? "–" : `${plain.format(Math.round(value))} s`);

export const time = (text) => (text === null ? "–" : `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`);

export function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A line of the last day, for eyes only: the numbers beside it say the same.
export function sparkline(values) {
  const svg = document.getElementById("sparkline").content.firstElementChild.cloneNode(true);
  const most = Math.max(...values.filter((value) => value !== null), 1e-12);
  const points = values.map((value, place) => {
    if (value === null) return "";
    const start = place === 0 || values[place - 1] === null ? "M" : "L";
    return `${start}${(100 * place) / Math.max(values.length - 1, 1)} ${23 - (22 * value) / most}`;
  });
  svg.firstElementChild.setAttribute("d", points.join(""));
  return svg;
}
