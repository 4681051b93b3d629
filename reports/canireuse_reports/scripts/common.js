// What every page has: the colour scheme, copying, and colours for scripts where they are opened.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("scripted");

  document.addEventListener("click", function (event) {
    var button = event.target.closest(".copy");
    if (!button) { return; }
    var text = button.parentNode.querySelector("code").textContent;
    function done() { button.textContent = "Copied"; setTimeout(function () { button.textContent = "Copy"; }, 1500); }
    function select() { getSelection().selectAllChildren(button.parentNode.querySelector("code")); document.execCommand("copy"); done(); }
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done, select); } else { select(); }
  });

  var theme = document.querySelector(".theme");
  function dark() { return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches; }
  function label() { theme.textContent = dark() ? "Light colours" : "Dark colours"; }
  theme.addEventListener("click", function () { root.dataset.theme = dark() ? "light" : "dark"; label(); });
  label();

  // Each pattern has one group a class: comments, strings, keywords or keys, builtins. The text stays what it is.
  var SYNTAX = {
    script: [/(#.*)|("""[^]*?"""|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|\b(and|as|assert|break|class|continue|def|del|elif|else|except|False|finally|for|from|global|if|import|in|is|lambda|None|nonlocal|not|or|pass|raise|return|True|try|while|with|yield)\b|\b(observe|print|len|range|list|dict|zip|sum|isinstance|getattr|setattr)\b/g, ["c", "s", "k", "b"]],
    yaml: [/(#.*)|("(?:\\.|[^"\\\n])*"|'[^'\n]*')|([\w-]+(?=:(?:\s|$)))/gm, ["c", "s", "t"]]
  };
  function paint(code) {
    var syntax = SYNTAX[code.className], text = code.textContent, from = 0, found;
    if (!syntax || code.firstElementChild) { return; }
    var pieces = document.createDocumentFragment();
    syntax[0].lastIndex = 0;
    while ((found = syntax[0].exec(text))) {
      var mark = document.createElement("i");
      mark.className = syntax[1][found.slice(1).findIndex(Boolean)];
      mark.textContent = found[0];
      pieces.append(text.slice(from, found.index), mark);
      from = syntax[0].lastIndex;
    }
    pieces.append(text.slice(from));
    code.replaceChildren(pieces);
  }
  function offerCopy(box) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    if (!box.querySelector(".copy")) { box.prepend(button); }
  }
  function paintIn(node) {
    node.querySelectorAll("pre > code").forEach(paint);
    node.querySelectorAll(".code").forEach(offerCopy);
  }
  document.addEventListener("toggle", function (event) { if (event.target.open) { paintIn(event.target); } }, true);
  document.querySelectorAll("details[open]").forEach(paintIn);
})();
