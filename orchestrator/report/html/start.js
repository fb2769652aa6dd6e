"use strict";
/* A page that has its data in itself. */

new RunPage(JSON.parse(document.getElementById("data").textContent), document.body);
document.documentElement.dataset.ready = "yes";
