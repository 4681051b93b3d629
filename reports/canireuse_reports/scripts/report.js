// Search, filters and permalinks. Without it the page shows everything.
(function () {
  "use strict";
  var form = document.querySelector(".filters");
  var rows = Array.prototype.slice.call(document.querySelectorAll("tr.row"));
  var fields = ["q", "facet", "backend", "verdict"];

  function wanted() {
    var state = { disagree: form.elements.disagree.checked };
    fields.forEach(function (name) { state[name] = form.elements[name].value; });
    return state;
  }

  function shows(row, state) {
    var words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    var text = row.dataset.text;
    if (!words.every(function (word) { return text.indexOf(word) >= 0; })) { return false; }
    if (state.facet && row.parentNode.dataset.facet !== state.facet) { return false; }
    if (state.disagree && row.dataset.disagree !== "1") { return false; }
    if (!state.backend && !state.verdict) { return true; }
    return Array.prototype.some.call(row.querySelectorAll("td"), function (cell) {
      var verdicts = cell.dataset.verdicts.split(" ").filter(Boolean);
      if (state.backend && cell.dataset.backend !== state.backend) { return false; }
      return state.verdict ? verdicts.indexOf(state.verdict) >= 0 : verdicts.some(function (word) { return word !== "unsupported" && word !== "skipped"; });
    });
  }

  function filter() {
    var state = wanted(), count = 0;
    rows.forEach(function (row) {
      var shown = shows(row, state);
      row.hidden = !shown;
      document.getElementById(row.dataset.id).hidden = !shown;
      count += shown ? 1 : 0;
    });
    document.querySelectorAll(".group").forEach(function (group) { group.hidden = !group.querySelector(".spec:not([hidden])"); });
    document.querySelectorAll(".matrix tbody").forEach(function (body) { body.hidden = !body.querySelector("tr.row:not([hidden])"); });
    document.querySelector(".count").textContent = count + " of " + rows.length + " scenarios";
    return state;
  }

  // The backend that is chosen comes first: its column, and its rows and scripts in every scenario that is open.
  var chosen = "", usual = Array.prototype.map.call(form.elements.backend.options, function (option) { return option.value; });
  function place(one) { return one.dataset.backend === chosen ? -1 : usual.indexOf(one.dataset.backend); }
  function arrange(parent) {
    var own = Array.prototype.filter.call(parent.children, function (one) { return one.dataset.backend; });
    var moving = [chosen, own[0].dataset.backend], next = null;
    // Only what comes first and what was first are moved: to lay out all cells anew takes four times as long.
    own.sort(function (one, other) { return place(one) - place(other); }).reverse().forEach(function (one) {
      if (moving.indexOf(one.dataset.backend) >= 0 && one.nextElementSibling !== next) { parent.insertBefore(one, next); }
      next = one;
    });
  }
  function arrangeIn(node) {
    new Set(Array.prototype.map.call(node.querySelectorAll("[data-backend]"), function (one) { return one.parentNode; })).forEach(arrange);
  }
  document.addEventListener("toggle", function (event) { if (event.target.open && event.target.matches(".spec")) { arrangeIn(event.target); } }, true);
  // The filter and the question above it choose one and the same.
  document.addEventListener("choose", function (event) {
    if (event.detail === chosen) { return; }
    chosen = event.detail;
    document.querySelectorAll(".matrix, .silent, .spec[open]").forEach(arrangeIn);
    if (form.elements.backend.value !== chosen) {
      form.elements.backend.value = chosen;
      filter();
    }
  });
  function choose() {
    var backend = form.elements.backend.value;
    if (backend !== chosen) { document.dispatchEvent(new CustomEvent("choose", { detail: backend })); }
  }

  function remember(state) {
    var parts = fields.filter(function (name) { return state[name]; }).map(function (name) { return name + "=" + encodeURIComponent(state[name]); });
    if (state.disagree) { parts.push("disagree=1"); }
    // No hashchange comes of this, so that what is being typed keeps its caret.
    if (parts.length || location.hash.indexOf("#?") === 0) { history.replaceState(null, "", "#?" + parts.join("&")); }
  }

  function decoded(text) {
    try { return decodeURIComponent(text); } catch (malformed) { return text; }
  }

  function restore(query) {
    form.reset();
    query.split("&").forEach(function (part) {
      var name = part.split("=")[0], value = decoded(part.slice(name.length + 1));
      if (name === "disagree") { form.elements.disagree.checked = true; }
      else if (fields.indexOf(name) >= 0) { form.elements[name].value = value; }
    });
    filter();
    choose();
  }

  function open(id) {
    // A case of a spec that was merged into another, or by a way that is no more, leads to the spec.
    var target = document.getElementById(id) || document.getElementById(id.split("@")[0]);
    if (!target) { return; }
    var spec = target.closest(".spec");
    if (spec) { spec.hidden = spec.closest(".group").hidden = false; }
    for (var node = target; node; node = node.parentElement) { if (node.tagName === "DETAILS") { node.open = true; } }
    if (spec) { arrangeIn(spec); }
    target.scrollIntoView();
  }

  function follow() {
    var hash = location.hash.slice(1);
    if (/^\?(.*&)?(problem|framework)=/.test(hash)) { return; } // what happened to somebody is asked elsewhere
    if (hash.charAt(0) === "?") {
      restore(hash.slice(1));
      document.getElementById("matrix").scrollIntoView();
    } else if (hash) { open(decoded(hash)); }
  }

  function changed() { remember(filter()); choose(); }
  form.addEventListener("input", changed);
  form.addEventListener("reset", function () { setTimeout(changed, 0); });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  window.addEventListener("hashchange", follow);

  filter();
  follow();
})();
