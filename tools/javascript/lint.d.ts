// What lint.js is given of the page runtime's timing.js and ramps.js: `_lint_script` of hfdask/checking/page.py.
declare function strictNumber(text: string | null | undefined): number | null;
declare function numberAttribute(element: Element, ...names: string[]): number | null;
declare function parseStart(text: string | null): any;
declare function inPoint(element: Element): number;
declare function rampOf(element: Element): { points: unknown[]; problem: string };
