// Given a PNG as base64, answers {width, height, palette, data}, base64, of the same image in 256 colours:
// the most frequent ones, and for every other colour the nearest of them. `data` is a PNG's packed rows.
async (png) => {
  const bytes = Uint8Array.from(atob(png), (each) => each.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { width, height } = image;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const pixels = canvas.getImageData(0, 0, width, height).data;
  const colours = new Uint32Array(width * height);
  const counts = new Map();
  for (let at = 0; at < colours.length; at += 1) {
    const colour = (pixels[at * 4] << 16) | (pixels[at * 4 + 1] << 8) | pixels[at * 4 + 2];
    colours[at] = colour;
    counts.set(colour, (counts.get(colour) || 0) + 1);
  }
  const chosen = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([colour]) => colour);
  const index = new Map(chosen.map((colour, at) => [colour, at]));
  const nearest = (colour) => {
    let best = 0;
    let least = Infinity;
    chosen.forEach((each, at) => {
      const off = [16, 8, 0].reduce((sum, bits) => sum + (((each >> bits) & 255) - ((colour >> bits) & 255)) ** 2, 0);
      if (off < least) [least, best] = [off, at];
    });
    index.set(colour, best);
    return best;
  };
  const rows = new Uint8Array((width + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const colour = colours[y * width + x];
      rows[y * (width + 1) + x + 1] = index.get(colour) ?? nearest(colour);
    }
  }
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const text = (each) => btoa(Array.from(each, (byte) => String.fromCharCode(byte)).join(""));
  const palette = Uint8Array.from(chosen.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  return { width, height, palette: text(palette), data: text(new Uint8Array(await new Response(packed).arrayBuffer())) };
}
