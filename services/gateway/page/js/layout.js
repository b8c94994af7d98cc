// Where the images of a grid lie: arithmetic alone, so that nobody asks the browser for it while it scrolls.

const GAP = 8;
const NARROWEST = 130;
const WIDEST = 220;
//: Of the screen's width.
const SHARE = 0.14;

/**
 * Rows of equal columns, each as high as its tallest image.
 * @param {{width?: number, height?: number}[]} images
 * @param {number} width pixels of the grid
 * @param {number} screen pixels of the whole window
 */
export function laidOut(images, width, screen) {
  const least = Math.min(WIDEST, Math.max(NARROWEST, screen * SHARE));
  const columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
  const column = (width - GAP * (columns - 1)) / columns;
  const tops = [];
  let top = 0;
  for (let first = 0; first < images.length; first += columns) {
    const tallest = images.slice(first, first + columns).reduce((most, each) => Math.max(most, ratio(each)), 0);
    tops.push(top);
    top += tallest * column + GAP;
  }
  return { columns, column, tops, height: Math.max(0, top - GAP) };
}

/** The place of one image, in pixels. */
export function spot({ columns, column, tops }, at, image) {
  return {
    left: (at % columns) * (column + GAP),
    top: tops[Math.floor(at / columns)],
    width: column,
    height: ratio(image) * column,
  };
}

/** The images that are seen between two heights: the first, and the one behind the last. */
export function between({ columns, tops }, count, top, bottom) {
  const first = Math.max(0, before(tops, top) - 1);
  const last = before(tops, bottom);
  return [Math.min(count, first * columns), Math.min(count, last * columns)];
}

/** How many rows begin above a height. */
function before(tops, height) {
  let [low, high] = [0, tops.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tops[middle] < height) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ratio({ width, height }) {
  return (height ?? 3) / (width ?? 2);
}
