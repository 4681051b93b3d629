// "Did this happen to you?": finds what somebody tells in their own words. Without it all is listed by topic.
(function () {
  "use strict";
  var form = document.querySelector(".asking");
  if (!form) { return; }
  var FIRST = 8, CLOSE = 12, NEARLY = 0.5, STATEMENTS = 4;
  var STOP = " a after all am an and any are as at be been before but by can did do does doesn for from had has have how i if in into is it its me my no not of on only or s so t that the their them then there they this to up was we were what when which while why will with runtimeerror valueerror typeerror keyerror attributeerror traceback ";
  var IRREGULAR = { tied: "tie", tying: "tie", untied: "untie", unties: "untie", untying: "untie", lost: "lose", froze: "freeze", frozen: "freeze", made: "make", kept: "keep", wrote: "write", written: "write", ckpt: "checkpoint", grad: "gradient", grads: "gradient", params: "parameter", param: "parameter", vars: "variable", pt: "file", freed: "free", freeing: "free", frees: "free", remat: "recompute", amp: "autocast", ema: "average" };
  // Words for one thing: one of them finds the others, behind those that have the word itself.
  var ALIKE = [
    "tie untie share alias weight-tying same", "save store checkpoint pickle serialize dump write export", "load restore checkpoint reload resume import", "weight variable parameter embedding kernel",
    "lose drop miss untie forget gone disappear separate break copy", "copy clone deepcopy duplicate", "freeze lock trainable fix", "train update step learn optimizer change", "head decoder output lm", "gpu cuda device tpu",
    "cast half bfloat16 fp16 float16 dtype", "name scope prefix key", "jit compile trace function graph", "thread process worker", "count number many total double twice", "error raise fail crash exception refuse", "reference alias pointer handle object", "snapshot copy backup state best restore", "donate buffer memory storage", "buffer statistics running count",
    "hook callback clip gradient", "autocast cast half float16 bfloat16 mixed precision", "lora adapter merge finetune", "recompute recomputation"
  ].map(function (line) { return line.split(" ").map(stem); });

  function stem(word) {
    word = IRREGULAR[word] || word;
    if (word.length > 4) { word = word.replace(/ies$/, "y").replace(/(ings?|ed|es|s|ly)$/, ""); }
    else if (word.length > 3) { word = word.replace(/s$/, ""); }
    if (/ee$/.test(word)) { return word; }
    return word.length > 3 ? word.replace(/(.)\1$/, "$1").replace(/e$/, "") : word;
  }
  function words(text) { return text.toLowerCase().split(/[^a-z0-9]+/).filter(Boolean); }
  function text(node, selector) {
    return Array.prototype.map.call(node.querySelectorAll(selector), function (one) { return one.textContent; }).join(" ");
  }

  function weigh(fields) {
    var weights = {};
    fields.forEach(function (field) {
      words(field[1]).forEach(function (word) { word = stem(word); weights[word] = Math.max(weights[word] || 0, field[0]); });
    });
    return weights;
  }
  // Errors that scripts of a row ran into are pasted as they are, and weigh as its own words do.
  var errors = Array.prototype.map.call(document.querySelectorAll(".errors > li"), function (node) { return [node.textContent, node.dataset.rows.split(" ")]; });
  var entries = Array.prototype.map.call(document.querySelectorAll(".symptom"), function (node, place) {
    var id = node.querySelector(".row-link").getAttribute("href").slice(1), seen = errors.filter(function (one) { return one[1].indexOf(id) >= 0; });
    var weights = weigh([[6, text(node, ".says")], [4, text(node, ".row-link")], [3, seen.map(function (one) { return one[0]; }).join(" ")], [1.5, text(node, ".about")], [1.5, text(node, ".because")], [1, id]]);
    return { node: node, home: node.parentNode, place: place, rank: Number(node.dataset.rank), departing: node.dataset.departing.split(" "), silent: node.dataset.silent.split(" "), weights: weights, sentence: weigh([[1, text(node, ".says")]]), all: Object.keys(weights) };
  });
  // What is wrong in a document is found by its words, by those of the document's title, and by what to write instead.
  var statements = Array.prototype.map.call(document.querySelectorAll('.statement[data-verdict="refuted"], .statement[data-verdict="depends"]'), function (node) {
    var title = node.closest(".document").querySelector("h3").textContent;
    var weights = weigh([[6, text(node, ".says")], [3, title], [2, text(node, ".instead")], [1.5, text(node, ".seen")]]);
    return { node: node, title: title, weights: weights, all: Object.keys(weights) };
  });
  var inDocuments = document.querySelector(".in-documents");
  var list = document.querySelector(".found"), topics = document.querySelector(".topics"), more = document.querySelector(".more"), nothing = document.querySelector(".nothing");
  var everything = false;
  // One list that is sorted as is asked; the topics are for those who have no script.
  entries.forEach(function (entry) { list.appendChild(entry.node); });
  topics.hidden = true;

  function begins(long, short) { return long.lastIndexOf(short, 0) === 0; }
  // What is typed so far may be the beginning of a word; what is left of it without its ending may not.
  function hit(entry, word) {
    var best = entry.weights[word.stem] || 0;
    entry.all.forEach(function (one) {
      var close = begins(one, word.typed) ? 0.8 : one.length > 3 && begins(word.stem, one) ? 0.6 : 0;
      if (close) { best = Math.max(best, entry.weights[one] * close); }
    });
    return best;
  }
  function alike(entry, word) {
    return Math.max.apply(null, [0].concat(ALIKE.filter(function (group) { return group.indexOf(word) >= 0; }).map(function (group) {
      return Math.max.apply(null, group.map(function (one) { return entry.weights[one] || 0; })) * 0.4;
    })));
  }
  function asked(query) {
    var given = words(query), telling = given.filter(function (word) { return STOP.indexOf(" " + word + " ") < 0; });
    return (telling.length ? telling : given).map(function (word) { return { typed: word, stem: stem(word) }; });
  }

  function search(query, entries) {
    var wanted = asked(query);
    if (!wanted.length) { return entries.map(function (entry) { return { entry: entry, score: 0, told: false, whole: true }; }); }
    var scored = entries.map(function (entry) { return { entry: entry, score: 0, covered: 0, told: true, whole: true }; }), most = 0;
    wanted.forEach(function (word) {
      var hits = entries.map(function (entry) { return hit(entry, word); });
      var rare = Math.log(1 + entries.length / (1 + hits.filter(Boolean).length));
      // A word that stands nowhere may be a name of one's own: it weighs as one that a tenth of the entries have.
      var weight = hits.some(Boolean) ? rare : Math.log(1 + entries.length / 10);
      scored.forEach(function (one, place) {
        var found = hits[place] || alike(one.entry, word.stem);
        one.score += found * rare;
        one.covered += hits[place] ? weight : found ? weight / 2 : 0;
        if (!found) { one.whole = false; }
        if (!one.entry.sentence || !one.entry.sentence[word.stem]) { one.told = false; }
      });
      most += weight;
    });
    var whole = scored.filter(function (one) { return one.whole; });
    // Where few entries have every word, those that have most of them come after.
    if (whole.length > 3) { return whole; }
    var close = scored.filter(function (one) { return !one.whole && one.covered > 0 && one.covered >= NEARLY * most; });
    close.sort(function (one, other) { return other.score - one.score; });
    return whole.concat(close.slice(0, CLOSE));
  }

  function limit(node, framework) {
    node.querySelectorAll("[data-backend]").forEach(function (one) { one.hidden = Boolean(framework) && one.dataset.backend !== framework; });
    node.querySelectorAll(".departure").forEach(function (one) { one.hidden = Boolean(framework) && one.dataset.backends.split(" ").indexOf(framework) < 0; });
  }

  function show() {
    var query = form.elements.problem.value, framework = form.elements.framework.value;
    var found = search(query, entries), narrow = Boolean(asked(query).length);
    found.forEach(function (one) {
      one.departs = !framework || one.entry.departing.indexOf(framework) >= 0;
      one.silent = Boolean(framework) && one.entry.silent.indexOf(framework) >= 0;
    });
    if (!narrow) { found = found.filter(function (one) { return one.departs; }); }
    found.sort(function (one, other) {
      return other.told - one.told || other.whole - one.whole || other.departs - one.departs || other.score - one.score || other.silent - one.silent || other.entry.rank - one.entry.rank || one.entry.place - other.entry.place;
    });
    entries.forEach(function (entry) { entry.node.hidden = true; });
    found.forEach(function (one, place) {
      list.appendChild(one.entry.node);
      one.entry.node.hidden = !everything && place >= FIRST;
      one.entry.node.querySelector("details").open = narrow && place < 2;
      limit(one.entry.node, one.departs ? framework : "");
    });
    var whole = found.filter(function (one) { return one.whole; }).length, close = found.length - whole;
    document.querySelector(".asked-count").textContent = whole + " of " + entries.length + (close ? ", and " + close + " that come close" : "");
    nothing.hidden = whole > 0 || !narrow;
    nothing.querySelector(".close").hidden = !close;
    more.hidden = everything || found.length <= FIRST;
    more.textContent = "Show all " + found.length;
    if (inDocuments) { showStatements(query); }
    document.querySelector(".table-link").setAttribute("href", query ? "#?q=" + encodeURIComponent(query) + (framework ? "&backend=" + encodeURIComponent(framework) : "") : "#matrix");
  }

  function showStatements(query) {
    var found = asked(query).length ? search(query, statements).filter(function (one) { return one.whole; }) : [];
    found.sort(function (one, other) { return other.score - one.score; });
    inDocuments.hidden = !found.length;
    inDocuments.querySelector("ul").replaceChildren.apply(inDocuments.querySelector("ul"), found.slice(0, STATEMENTS).map(function (one) {
      var item = document.createElement("li"), link = document.createElement("a"), node = one.entry.node;
      link.href = "#" + node.id;
      link.textContent = text(node, "summary > .at") + (node.dataset.verdict === "refuted" ? " is wrong: " : " depends: ") + text(node, "summary > .says");
      item.append(link, " (" + one.entry.title + ")");
      return item;
    }));
  }

  function remember() {
    var parts = ["problem", "framework"].filter(function (name) { return form.elements[name].value; }).map(function (name) { return name + "=" + encodeURIComponent(form.elements[name].value); });
    if (parts.length || location.hash.indexOf("#?") === 0) { history.replaceState(null, "", "#?" + parts.join("&")); }
  }
  function follow() {
    if (!/^#\?(.*&)?(problem|framework)=/.test(location.hash)) { return; }
    var asked = new URLSearchParams(location.hash.slice(2));
    form.elements.problem.value = asked.get("problem");
    check(asked.get("framework"));
    everything = false;
    show();
    choose();
    form.scrollIntoView();
  }

  // What is chosen here is chosen in the table too, and the other way round; who is no framework here is all.
  function check(framework) {
    var radios = Array.prototype.slice.call(form.querySelectorAll("[name=framework]"));
    (radios.find(function (radio) { return radio.value === framework; }) || radios[0]).checked = true;
  }
  function choose() { document.dispatchEvent(new CustomEvent("choose", { detail: form.elements.framework.value })); }
  document.addEventListener("choose", function (event) {
    if (event.detail === form.elements.framework.value) { return; }
    check(event.detail);
    show();
  });
  check(document.querySelector(".filters").elements.backend.value);

  form.addEventListener("input", function (event) {
    everything = false;
    show();
    remember();
    if (event.target.name === "framework") { choose(); }
  });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  more.addEventListener("click", function () { everything = true; show(); });
  window.addEventListener("hashchange", follow);
  // On paper all are listed by topic, as for those who have no script.
  window.addEventListener("beforeprint", function () {
    entries.forEach(function (entry) {
      entry.home.appendChild(entry.node);
      entry.node.hidden = false;
      limit(entry.node, "");
    });
    topics.hidden = false;
  });
  window.addEventListener("afterprint", function () {
    topics.hidden = true;
    show();
  });
  show();
  follow();
})();
