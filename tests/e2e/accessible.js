/* Checks in the manner of axe, written out: returns what is wrong with the
 * page as it stands, as a list of sentences. */
"use strict";
const bad = [];
const seen = (e) => e.checkVisibility() && e.getClientRects().length > 0;
const said = (e) => {
	const by = (e.getAttribute("aria-labelledby") || "").split(/\s+/).map((i) => i && document.getElementById(i));
	return ((by[0] ? by.map((x) => x.textContent).join(" ") : "") || e.getAttribute("aria-label") || e.textContent ||
		(e.querySelector("img[alt]") || { alt: "" }).alt || "").trim();
};
const what = (e) => e.outerHTML.slice(0, 120);

/* the page */
if (!document.documentElement.lang)
	bad.push("no language");
if (!document.title.trim())
	bad.push("no title");
if (document.querySelectorAll("main").length !== 1)
	bad.push("not one main");
if (document.querySelectorAll("h1").length !== 1)
	bad.push("not one h1");
if (!document.querySelector("body > a.skip[href='#main']"))
	bad.push("no way to skip to the content");
document.querySelectorAll("body > *").forEach((e) => {
	if (!/^(A|HEADER|MAIN|FOOTER|DIALOG|SCRIPT)$/.test(e.tagName))
		bad.push("outside of the landmarks: " + what(e));
});

/* headings go down one step at a time */
let level = 0;
document.querySelectorAll("h1,h2,h3,h4,h5,h6").forEach((h) => {
	const n = Number(h.tagName[1]);

	if (h.closest("dialog:not([open])"))
		return;
	if (n > level + 1)
		bad.push("a heading skips a level: " + what(h));
	if (!said(h))
		bad.push("an empty heading: " + what(h));
	level = n;
});

/* names */
document.querySelectorAll("a[href],button,summary,dialog").forEach((e) => {
	if (!said(e))
		bad.push("no name: " + what(e));
});
document.querySelectorAll("input:not([type=hidden]),textarea,select").forEach((e) => {
	if (!(e.labels && e.labels.length && e.labels[0].textContent.trim()) && !e.getAttribute("aria-label"))
		bad.push("no label: " + what(e));
});
document.querySelectorAll("img").forEach((e) => {
	if (!e.hasAttribute("alt"))
		bad.push("no alternative text: " + what(e));
});
document.querySelectorAll("table").forEach((e) => {
	if (!e.querySelector("th"))
		bad.push("a table without headings: " + what(e));
});
const names = [...document.querySelectorAll("nav")].map((n) => n.getAttribute("aria-label"));
if (names.some((n) => !n) || new Set(names).size !== names.length)
	bad.push("navigations without names of their own: " + names);
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
if (new Set(ids).size !== ids.length)
	bad.push("an id twice");
document.querySelectorAll("[tabindex]").forEach((e) => {
	if (Number(e.getAttribute("tabindex")) > 0)
		bad.push("its own order of focus: " + what(e));
});
document.querySelectorAll("a[href] a, a[href] button, button a, summary a, summary button").forEach((e) => {
	bad.push("a control in a control: " + what(e));
});

/* what is pressed is large enough (WCAG 2.2, 2.5.8) */
document.querySelectorAll("button,summary,nav a").forEach((e) => {
	const r = e.getBoundingClientRect();

	if (seen(e) && r.height < 20)
		bad.push("too small to press: " + what(e) + " " + r.height);
});

/* contrast (WCAG 1.4.3) */
const parse = (c) => {
	const m = c.match(/[\d.]+/g).map(Number);

	return { r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1 };
};
const over = (top, under) => ({
	r: top.r * top.a + under.r * (1 - top.a),
	g: top.g * top.a + under.g * (1 - top.a),
	b: top.b * top.a + under.b * (1 - top.a),
	a: 1,
});
const grounds = new Map([[null, { r: 255, g: 255, b: 255, a: 1 }]]);
const ground = (e) => {
	if (!grounds.has(e))
		grounds.set(e, over(parse(getComputedStyle(e).backgroundColor), ground(e.parentElement)));
	return grounds.get(e);
};
const light = (c) => {
	const [r, g, b] = [c.r, c.g, c.b].map((x) => {
		x /= 255;
		return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
	});
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const checked = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
	const e = walker.currentNode.parentElement;

	if (!walker.currentNode.data.trim() || checked.has(e) || !seen(e) || e.closest(".vh"))
		continue;
	checked.add(e);
	const s = getComputedStyle(e), under = ground(e);
	const a = light(over(parse(s.color), under)), b = light(under);
	const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
	const px = parseFloat(s.fontSize), large = px >= 24 || (px >= 18.66 && Number(s.fontWeight) >= 700);

	if (ratio < (large ? 3 : 4.5))
		bad.push("contrast " + ratio.toFixed(2) + ": " + what(e));
}
if (checked.size < 5)
	bad.push("hardly any text was looked at");

/* nothing runs over the edge */
if (document.documentElement.scrollWidth > window.innerWidth)
	bad.push("wider than the window: " + document.documentElement.scrollWidth);
document.querySelectorAll("main *").forEach((e) => {
	const r = e.getBoundingClientRect();

	if (seen(e) && !e.closest(".vh, .scroll, .decide h2, .decide label") && r.right > window.innerWidth + 1)
		bad.push("cut off at the edge: " + what(e));
});
return bad;
