"use strict";
/*
 * What this adds to a hold's page: it follows what happens to the hold, and
 * there are keys. Without it the page does the same by hand.
 */
(function () {
	var mark = document.querySelector("[data-hold]");

	if (!mark)
		return;

	/* ---- following ---- */

	var ENDS = { forwarded: 1, failed: 1, stale: 1, rejected: 1, expired: 1, withdrawn: 1, superseded: 1 };
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
		var fresh = new DOMParser().parseFromString(html, "text/html");
		var now = fresh.querySelector("[data-hold]");

		if (!now || now.dataset.hold !== mark.dataset.hold)
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

	/* One source of news: calls back when the hold is not as it was. Another
	 * source has the same two functions. */
	function poller(changed) {
		var timer = 0, wait = 0;

		function next() {
			clearTimeout(timer);
			timer = 0;
			if (ENDS[mark.dataset.state] || document.hidden)
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
			start: function () { wait = 0; next(); },
			stop: function () { clearTimeout(timer); timer = 0; },
			look: look
		};
	}

	function refresh() {
		return fetch(location.pathname + "?part=live", { credentials: "same-origin" })
			.then(function (r) { return r.ok && !r.redirected ? r.text() : ""; })
			.then(show);
	}

	var source = poller(refresh);

	document.addEventListener("visibilitychange", function () {
		if (document.hidden)
			source.stop();
		else if (!ENDS[mark.dataset.state])
			source.look();
	});
	source.start();

	/* ---- keys ---- */

	var dialog = document.getElementById("keys");
	var box = document.getElementById("keys-on");
	var STORE = "gitgate-keys-off";

	function keysOn() {
		try { return !localStorage.getItem(STORE); } catch (e) { return true; }
	}
	function button(verb) {
		return document.querySelector("#decide button[formaction$='/" + verb + "']");
	}
	function focusOn(e) {
		if (e)
			e.focus();
	}
	function step(by) {
		var all = Array.prototype.slice.call(document.querySelectorAll(".file > summary"));
		var at = all.indexOf(document.activeElement), i;

		if (at < 0) {
			for (i = 0; i < all.length && all[i].getBoundingClientRect().top < 1; i++)
				continue;
			at = by > 0 ? i - 1 : i;
		}
		at = Math.max(0, Math.min(all.length - 1, at + by));
		if (all[at]) {
			all[at].focus({ preventScroll: true });
			all[at].scrollIntoView({ block: "start" });
		}
	}
	var KEYS = {
		a: function () { focusOn(button("approve")); },
		r: function () { focusOn(button("reject")); },
		c: function () { focusOn(document.querySelector("#decide textarea")); },
		j: function () { step(1); },
		k: function () { step(-1); },
		"?": function () { dialog.showModal(); }
	};

	if (!dialog || !box || !dialog.showModal)
		return;
	document.getElementById("keys-open").hidden = false;
	document.getElementById("keys-open").addEventListener("click", KEYS["?"]);
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

		if (e.ctrlKey || e.metaKey || e.altKey || in_text || dialog.open || !keysOn() || !KEYS[e.key])
			return;
		e.preventDefault();
		KEYS[e.key]();
	});
})();
