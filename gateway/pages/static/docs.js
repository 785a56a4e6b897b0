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
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [Samples],
  layout: "BaseLayout",
  onComplete: () => authorize(ui),
});
