// For each visible text of the page: what it says, and its contrast with what is behind it.
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  // The colours, one over the other, as they come out.
  const mixed = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data];
  };

  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };

  const fills = (text) => {
    const shape = text.parentElement.querySelector("path, polygon, ellipse");
    return shape ? [getComputedStyle(shape).fill] : [];
  };

  // From the outermost element to the innermost.
  const behind = (element) => {
    const found = [];
    for (let at = element; at; at = at.parentElement) {
      found.unshift(getComputedStyle(at).backgroundColor);
    }
    return element.closest("svg") ? [...found, ...fills(element)] : found;
  };

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || element.closest("script, option") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const [light, dark] = [luminance(mixed([...ground, colour])), luminance(mixed(ground))];
    const contrast = (Math.max(light, dark) + 0.05) / (Math.min(light, dark) + 0.05);
    found.push({ text, contrast });
  }
  return found;
}
