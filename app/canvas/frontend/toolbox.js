// All tools by name, each with the paint it uses.

import { nothingHere } from './nothing_painted.js';
import { SmartTool } from './tool_smart.js';
import { ClickTool, alikeRegion, seenRegion } from './tool_click.js';
import { PolygonTool } from './tool_polygon.js';
import { RectangleTool } from './tool_rectangle.js';
import { StrokeTool } from './tool_stroke.js';
import { SuperpixelTool } from './tool_superpixel.js';

/**
 * @param {import('./tool_desk.js').ToolDesk} desk
 * @returns {Record<import('./editor_state.js').ToolName, import('./pointer.js').Tool> &
 *   {polygon: PolygonTool, superpixel: SuperpixelTool}}
 */
export function toolsAt(desk) {
  const { state } = desk;
  return {
    brush: new StrokeTool(desk, () => state.paint()),
    eraser: new StrokeTool(desk, () => state.erasing()),
    polygon: new PolygonTool(desk),
    rectangle: new RectangleTool(desk),
    line: new StrokeTool(desk, () => state.paint(), true),
    superpixel: new SuperpixelTool(desk),
    flood: new ClickTool(desk, (image, pixel) => {
      const picture = desk.pixels.read();
      return picture && alikeRegion(picture, image, pixel, state.tolerance);
    }),
    smart: new SmartTool(desk),
    region: new ClickTool(desk, (image, pixel) => {
      const region = seenRegion(image, pixel);
      if (!region) desk.notice(nothingHere(state), 'warning');
      return region;
    }),
    accept: new StrokeTool(desk, ({ suggestion }) => suggestion && { suggestion }),
  };
}
