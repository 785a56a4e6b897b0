"use strict";

// Shows an OpenAPI document with Swagger UI: no validator, no request to another host.

const reader = document.getElementById("reader");
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function setScheme() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

// Below the answers of a call: its code samples.
function Samples(system) {
  const make = system.React.createElement;
  return {
    wrapComponents: {
      responses: (Original) => (props) => {
        const place = ["paths", props.path, props.method, "x-codeSamples"];
        const found = system.getSystem().specSelectors.specJson().getIn(place);
        const samples = found ? found.toJS() : [];
        return make("div", null, make(Original, props), samples.length ? make(
          "section", { className: "samples" }, make("h4", null, "Code samples"),
          samples.map((each) => make(
            "details", { key: each.label }, make("summary", null, each.label),
            make("pre", { tabIndex: 0 }, each.source),
          )),
        ) : null);
      },
    },
  };
}

// The reader's layout without its landmark, as the page has a main part already.
function Layout(system) {
  const make = system.React.createElement;
  function DocumentLayout({ getComponent, specSelectors }) {
    if (specSelectors.loadingStatus() !== "success") {
      return make("div", { className: "swagger-ui" }, make(getComponent("errors", true)));
    }
    const part = (name, ...key) => make(getComponent(name, ...key));
    return make(
      "div", { className: "swagger-ui" }, part("SvgAssets"), part("errors", true),
      make("div", { className: "information-container wrapper" }, part("InfoContainer", true)),
      make("div", { className: "scheme-container" }, make(
        "div", { className: "schemes wrapper" },
        make("div", { className: "schemes-server-container" }, part("ServersContainer", true)),
        part("AuthorizeBtnContainer", true),
      )),
      make("div", { className: "wrapper", id: "operations" }, part("operations", true)),
      make("div", { className: "wrapper webhooks-container" }, part("Webhooks", true)),
      make("div", { className: "wrapper" }, part("Models", true)),
    );
  }
  // The path of a call is text: it is inside of the button that opens the call.
  const DeepLink = () => ({ text }) => make("span", null, text);
  return { components: { DocumentLayout }, wrapComponents: { DeepLink } };
}

// What the reader leaves without a name, on another level of headings, or out of the keyboard's reach.
function label() {
  for (const each of reader.querySelectorAll("select:not([aria-label])")) {
    each.setAttribute("aria-label", each.id === "servers" ? "Server" : "Example");
  }
  for (const each of reader.querySelectorAll(".responses-table[role=region]:not([aria-label])")) {
    const call = each.closest(".opblock").querySelector(".opblock-summary-control");
    each.setAttribute("aria-label", `Responses: ${call.textContent}`);
  }
  for (const each of reader.querySelectorAll(".models > h4:not([role])")) {
    each.setAttribute("role", "heading");
    each.setAttribute("aria-level", "3");
  }
  for (const each of reader.querySelectorAll(":is(.microlight, .body-param__example):not([tabindex])")) {
    each.tabIndex = 0;
  }
}

// In a demo: what is tried is sent with the demo's credentials.
async function authorize(ui) {
  const { name, secret } = reader.dataset;
  if (!name) return;
  const schemes = ui.specSelectors.specJson().getIn(["components", "securitySchemes"]).toJS();
  if (!schemes.bearer) {
    ui.preauthorizeBasic("basic", name, secret);
    return;
  }
  ui.initOAuth({ clientId: name, clientSecret: secret });
  const answer = await fetch(schemes.oauth2.flows.clientCredentials.tokenUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client_id: name, client_secret: secret }),
  });
  if (answer.ok) ui.preauthorizeApiKey("bearer", (await answer.json()).token);
}

new MutationObserver(label).observe(reader, { childList: true, subtree: true });
setScheme();
dark.addEventListener("change", setScheme);
const ui = SwaggerUIBundle({
  url: reader.dataset.document,
  domNode: reader,
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  showCommonExtensions: true,
  syntaxHighlight: { theme: "obsidian" },
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [Samples, Layout],
  layout: "DocumentLayout",
  onComplete: () => authorize(ui),
});
