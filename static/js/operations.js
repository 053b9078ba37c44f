// Lets Unfold's pages run with Alpine's build for strict policies, which evaluates no script.
//
// That build reads expressions by itself, but neither functions in them nor names of the browser's
// own. Unfold's markup has a few of those: here they become components and methods of ours.
"use strict";

document.addEventListener("alpine:init", () => {
  const Alpine = window.Alpine;
  const OPEN = "sidebarDesktopOpen";
  const first = /activeTab:\s*'([^']*)'/.exec(document.body.getAttribute("x-data") || "");

  for (const name of ["theme", "searchForm", "searchDropdown"]) {
    Alpine.data(name, (...given) => window[name](...given));
  }

  Alpine.data("operationsPage", () => ({
    activeTab: first ? window.getCurrentTab() || first[1] : "",
    sidebarMobileOpen: false,
    sidebarDesktopOpen: localStorage.getItem(OPEN) !== "0",
    init() {
      this.$watch(OPEN, (isOpen) => localStorage.setItem(OPEN, isOpen ? "1" : "0"));
    },
    toggleSidebar() {
      this.sidebarDesktopOpen = !this.sidebarDesktopOpen;
    },
    here() {
      const tab = this.activeTab && this.activeTab !== "general" ? `#${this.activeTab}` : "";
      return window.location.pathname + window.location.search + tab;
    },
    isTitle(event) {
      return ["H3", "STRONG"].includes(event.target.tagName);
    },
  }));

  document.body.setAttribute("x-data", "operationsPage");
  document.body.removeAttribute("x-init");
  const ours = [
    ["x-on:click", "localStorage", "toggleSidebar()"],
    ["x-bind:action", "window.location", "here()"],
    ["x-on:click", "tagName", "isTitle($event) && (openRow = !openRow)"],
  ];
  for (const [name, theirs, replacement] of ours) {
    for (const element of document.querySelectorAll(`[${CSS.escape(name)}*="${theirs}"]`)) {
      element.setAttribute(name, replacement);
    }
  }
});
