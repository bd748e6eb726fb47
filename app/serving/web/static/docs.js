// The REST API's document, rendered by Swagger UI; calls can be tried on this very service.

import * as api from "./api.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);

async function begin() {
  const spec = await api.openapi();
  spec.servers = [{ url: new URL("api/v1", document.baseURI).pathname }]; // a proxy may have added a prefix
  SwaggerUIBundle({
    spec,
    dom_id: "#operations",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    syntaxHighlight: false, // its colours lack contrast
    validatorUrl: null, // would send the document to another host
  });
}

dark.addEventListener("change", dress);
dress();
begin().catch((error) => {
  const notice = document.getElementById("notice");
  notice.hidden = false;
  notice.textContent = error instanceof api.Refused ? error.message : `The service cannot be reached (${error.message}).`;
});
