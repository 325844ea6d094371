/** How long functions are: `node lengths.mjs FILE` prints [name, lines of its body] for each that has braces. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { print } from "./support.mjs";

const ts = createRequire(process.env.SIGIL_MODULES)("typescript");
const file = ts.createSourceFile("it.js", readFileSync(process.argv[2], "utf8"), ts.ScriptTarget.Latest, true);
const lineOf = position => file.getLineAndCharacterOfPosition(position).line;

function walk(node) {
  if (ts.isFunctionLike(node) && node.body && ts.isBlock(node.body)) {
    print([node.name?.getText() ?? "", Math.max(1, lineOf(node.body.end) - lineOf(node.body.getStart()) - 1)]);
  }
  ts.forEachChild(node, walk);
}
walk(file);
