// Reads QR codes (npm jsqr), as a phone's camera would.
//
// commands: read {rows}: a picture of text, "1" for each dark module, with
//           its quiet zone; what the code says, or null
import { load, serve } from './child.mjs';

const jsQR = await load('jsqr');
const SCALE = 4;

await serve(
  {},
  {
    read({ rows }) {
      const size = rows.length * SCALE;
      const pixels = new Uint8ClampedArray(size * size * 4);
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
          const dark = rows[Math.floor(y / SCALE)][Math.floor(x / SCALE)] === '1';
          pixels.set(dark ? [0, 0, 0, 255] : [255, 255, 255, 255], (y * size + x) * 4);
        }
      return jsQR(pixels, size, size)?.data ?? null;
    },
  },
);
