"use strict";
/* A page that contains its own data. */

new RunPage(JSON.parse(document.getElementById("data").textContent), document.body);
document.documentElement.dataset.ready = "yes";
