/**
 * A page without a browser: `node page.mjs ADDRESS` runs the module script of the page at ADDRESS.
 *
 * It has what such a script needs of a browser: where it is, a WebSocket, and elements, whose texts are printed as they
 * change, as [selector, text].
 */
import { WebSocket, print } from "./support.mjs";

const address = process.argv[2];
const page = await (await fetch(address)).text();
const element = selector => ({ set textContent(text) { print([selector, text]); } });
Object.assign(globalThis, { WebSocket, location: new URL(address), document: { querySelector: element } });

const source = page.split('<script type="module">')[1].split("</script>")[0];
const linked = source.replace('"/sigil-client.js"', JSON.stringify(process.env.SIGIL_CLIENT));
await import(`data:text/javascript,${encodeURIComponent(linked)}`);
