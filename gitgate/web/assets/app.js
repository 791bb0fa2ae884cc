"use strict";
/*
 * What this adds to a hold's page and to lists: they follow what happens, and
 * there are keys. Without it the pages do the same by hand.
 */
(function () {
	var EVENTS = "/-/api/v1/events";

	/* Two sources of news, of which each calls back when there may be some.
	 * A stream of the server's; where there is none, `otherwise`. */
	function stream(query, changed, otherwise) {
		var source = null;

		function start() {
			if (source)
				return;
			if (!window.EventSource) {
				otherwise.start();
				return;
			}
			source = new EventSource(EVENTS + query);
			["hold", "push", "reset"].forEach(function (name) {
				source.addEventListener(name, changed);
			});
			/* what happened before it was open */
			source.onopen = function () {
				otherwise.stop();
				changed();
			};
			source.onerror = function () {
				if (!source || source.readyState !== EventSource.CLOSED)
					return;
				source = null;
				otherwise.start();
			};
		}
		return {
			start: start,
			stop: function () {
				if (source)
					source.close();
				source = null;
				otherwise.stop();
			}
		};
	}

	/* Nobody looks at a hidden page: it has no stream, and catches up. Nor has
	 * one that is left at once, as the server keeps a stream for a while. */
	function follow(source, is_over) {
		var timer = 0;

		function look() {
			clearTimeout(timer);
			timer = 0;
			if (document.hidden)
				source.stop();
			else if (!is_over())
				timer = setTimeout(source.start, 400);
		}
		document.addEventListener("visibilitychange", look);
		window.addEventListener("pagehide", function () {
			clearTimeout(timer);
			source.stop();
		});
		window.addEventListener("pageshow", look);
	}

	/* One at a time, and once more where there was news meanwhile. */
	function calmly(act) {
		var timer = 0, runs = false, again = false;

		function run() {
			timer = 0;
			runs = true;
			act().catch(function () {}).then(function () {
				runs = false;
				if (again) {
					again = false;
					later();
				}
			});
		}
		function later() {
			if (runs)
				again = true;
			else if (!timer)
				timer = setTimeout(run, 150);
		}
		return later;
	}

	function parse(html) {
		return new DOMParser().parseFromString(html, "text/html");
	}
	function load(url) {
		return fetch(url, { credentials: "same-origin" })
			.then(function (r) { return r.ok && !r.redirected ? r.text() : ""; });
	}

	/* ---- keys ---- */

	var STORE = "gitgate-keys-off";

	function keysOn() {
		try { return !localStorage.getItem(STORE); } catch (e) { return true; }
	}
	function focusOn(e) {
		if (e)
			e.focus();
	}
	/* To the next (1) or the one before (-1) of these. */
	function step(selector, by, block) {
		var all = Array.prototype.slice.call(document.querySelectorAll(selector));
		var at = all.indexOf(document.activeElement), i;

		if (at < 0) {
			for (i = 0; i < all.length && all[i].getBoundingClientRect().top < 1; i++)
				continue;
			at = by > 0 ? i - 1 : i;
		}
		at = Math.max(0, Math.min(all.length - 1, at + by));
		if (all[at]) {
			all[at].focus({ preventScroll: true });
			all[at].scrollIntoView({ block: block });
		}
	}
	function useKeys(keys) {
		var dialog = document.getElementById("keys");
		var box = document.getElementById("keys-on");

		if (!dialog || !box || !dialog.showModal)
			return;
		keys["?"] = function () { dialog.showModal(); };
		document.getElementById("keys-open").hidden = false;
		document.getElementById("keys-open").addEventListener("click", keys["?"]);
		box.checked = keysOn();
		box.addEventListener("change", function () {
			try {
				if (box.checked)
					localStorage.removeItem(STORE);
				else
					localStorage.setItem(STORE, "1");
			} catch (e) {}
		});
		document.addEventListener("keydown", function (e) {
			var in_text = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName);

			if (e.ctrlKey || e.metaKey || e.altKey || in_text || dialog.open || !keysOn() || !keys[e.key])
				return;
			e.preventDefault();
			keys[e.key]();
		});
	}

	/* ---- a hold's page ---- */

	function holdPage(mark) {
		var ENDS = { forwarded: 1, kept: 1, failed: 1, stale: 1, rejected: 1, expired: 1, withdrawn: 1, superseded: 1 };
		var PARTS = ["state", "next", "needs", "decide"];

		function seenOf(hold) {
			var who = new Set();

			(hold.needs || []).forEach(function (n) {
				(n.reviews || []).forEach(function (r) { who.add(r.reviewer); });
			});
			return hold.state + " " + who.size;
		}

		/* The parts of the page that follow the hold, as the server renders
		 * them. A half-written comment stays while it can still be sent. */
		function show(html) {
			var fresh = parse(html), now = fresh.querySelector("[data-hold]");

			if (!now || now.dataset.hold !== mark.dataset.hold || now.dataset.seen === mark.dataset.seen)
				return;
			PARTS.forEach(function (id) {
				var old = document.getElementById(id), part = fresh.getElementById(id);
				var text = old && old.querySelector("textarea");

				if (!old || id === "decide" && part && text && (text.value || text === document.activeElement))
					return;
				if (part)
					old.replaceWith(document.importNode(part, true));
				else
					old.remove();
			});
			mark.dataset.state = now.dataset.state;
			mark.dataset.seen = now.dataset.seen;
			document.title = fresh.title;
		}
		function refresh() {
			return load(location.pathname + "?part=live").then(show).then(function () {
				if (is_over())
					source.stop();
			});
		}
		function is_over() {
			return !!ENDS[mark.dataset.state];
		}

		/* Without a stream: the hold is asked for, less and less often. */
		function poller(changed) {
			var timer = 0, wait = 0, on = false;

			function next() {
				clearTimeout(timer);
				timer = 0;
				if (!on || is_over())
					return;
				wait = mark.dataset.state === "approved" ? 1000 : Math.min(wait * 1.4 || 2000, 30000);
				timer = setTimeout(look, wait);
			}
			function look() {
				fetch("/-/api/v1/holds/" + mark.dataset.hold, { credentials: "same-origin" })
					.then(function (r) { return r.ok ? r.json() : null; })
					.then(function (hold) {
						if (!hold || seenOf(hold) === mark.dataset.seen)
							return null;
						wait = 0;
						return changed();
					})
					.catch(function () {})
					.then(next);
			}
			return {
				start: function () {
					if (on)
						return;
					on = true;
					wait = 0;
					look();
				},
				stop: function () { on = false; clearTimeout(timer); timer = 0; }
			};
		}

		var source = stream("?hold=" + mark.dataset.hold, calmly(refresh), poller(refresh));

		function button(verb) {
			return document.querySelector("#decide button[formaction$='/" + verb + "']");
		}

		follow(source, is_over);
		useKeys({
			a: function () { focusOn(button("approve")); },
			r: function () { focusOn(button("reject")); },
			c: function () { focusOn(document.querySelector("#decide textarea")); },
			j: function () { step(".file > summary", 1, "start"); },
			k: function () { step(".file > summary", -1, "start"); }
		});
	}

	/* ---- lists ---- */

	/* Rows stay where they are while somebody reads: what changed is changed
	 * in its place, what went is marked, what is new is announced. */
	function listPage(list) {
		var news = document.getElementById("news"), word = list.dataset.list;
		var title = document.title, latest = null;

		function rows(from) {
			var map = new Map();

			from.querySelectorAll("[data-row]").forEach(function (r) { map.set(r.dataset.row, r); });
			return map;
		}
		/* The numbers in navigation and tabs; the title has that of one's own. */
		function counts(fresh) {
			var mine = fresh.getElementById("mine");

			document.querySelectorAll("nav").forEach(function (nav) {
				var other = fresh.querySelector("nav[aria-label='" + nav.getAttribute("aria-label") + "']");

				if (other && other.innerHTML !== nav.innerHTML && !nav.contains(document.activeElement))
					nav.innerHTML = other.innerHTML;
			});
			document.title = (mine ? "(" + mine.firstChild.data.trim() + ") " : "") + title;
		}
		function showAll() {
			if (!latest)
				return;
			list.replaceWith(document.importNode(latest, true));
			list = document.getElementById("list");
			latest = null;
			news.replaceChildren();
			focusOn(list.querySelector("[data-row] a"));
		}
		function announce(n) {
			var button = document.createElement("button"), text = n + " new " + word + (n > 1 ? word === "push" ? "es" : "s" : "") + ": show";

			if (news.textContent === text)
				return;
			button.type = "button";
			button.textContent = text;
			button.addEventListener("click", showAll);
			news.replaceChildren(button);
		}
		function update(fresh) {
			var here = rows(list), there = rows(fresh), first = "", n = 0;

			here.forEach(function (row, id) {
				var now = there.get(id);

				first = id > first ? id : first;
				if (!now)
					row.classList.add("gone");
				else if (now.innerHTML !== row.innerHTML) {
					var had = row.contains(document.activeElement);

					row.innerHTML = now.innerHTML;
					row.classList.remove("gone");
					if (had)
						focusOn(row.querySelector("a"));
				}
			});
			there.forEach(function (row, id) { n += !here.has(id) && id > first; });
			if (n > 0) {
				latest = fresh.getElementById("list");
				announce(n);
			}
		}
		/* A page of older ones has nothing new. */
		if (!/[?&]cursor=/.test(location.search)) {
			var timer = 0;
			/* where there is no room for a stream, there may be later */
			var later = {
				start: function () { timer = setTimeout(function () { source.start(); }, 60000); },
				stop: function () { clearTimeout(timer); }
			};
			var source = stream("", calmly(function () {
				return load(location.href).then(function (html) {
					var fresh = parse(html);

					if (!fresh.getElementById("list"))
						return;
					counts(fresh);
					update(fresh);
				});
			}), later);

			follow(source, function () { return false; });
		}
		counts(document);
		return showAll;
	}

	var hold = document.querySelector("[data-hold]");
	var list = document.getElementById("list");
	var show = list && list.dataset.list ? listPage(list) : function () {};

	if (hold)
		holdPage(hold);
	else
		useKeys({
			j: function () { step("[data-row] a.cover, [data-row] a.name", 1, "nearest"); },
			k: function () { step("[data-row] a.cover, [data-row] a.name", -1, "nearest"); },
			n: function () { show(); },
			"/": function () {
				var field = document.querySelector(".filter input:not([type=hidden])");

				focusOn(field);
				if (field)
					field.select();
			}
		});
})();
