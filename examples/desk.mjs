// The desks over gRPC, as examples/desk.py has them, read from the .proto files of the working folder.
//
//   npm install --prefix examples
//   node examples/desk.mjs approve session-1
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const TIMEOUT_MILLISECONDS = 10_000;
const PARTNER = "demo-partner";
const ADDRESSES = {
  sessions: process.env.SESSIONS_LISTEN ?? "127.0.0.1:50051",
  orders: process.env.ORDERS_LISTEN ?? "127.0.0.1:50052",
  subscriptions: process.env.SUBSCRIPTIONS_LISTEN ?? "127.0.0.1:50053",
};

const files = Object.keys(ADDRESSES).map((name) => `protos/${name}.proto`);
// keepCase: the fields keep their names, session_key instead of sessionKey. int64 as text loses nothing.
const definition = loadSync(files, { includeDirs: ["."], keepCase: true, longs: String });
const { optigate } = grpc.loadPackageDefinition(definition);
const staff = new grpc.Metadata();
staff.set("authorization", "Basic " + btoa("demo-staff:demo-staff-secret"));

/** A client of a gRPC service; between machines it is to be TLS. */
function connect(name, service) {
  const credentials = grpc.credentials.createInsecure();
  return new optigate[name].v1[service](ADDRESSES[name], credentials);
}

/** Call as staff, with a deadline. */
function call(client, rpc, request) {
  const options = { deadline: Date.now() + TIMEOUT_MILLISECONDS };
  return new Promise((resolve, reject) => {
    client[rpc](request, staff, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

/** What the doctor dispenses today. */
function listDispensed() {
  const [today, nextYear] = [0, 365].map((days) =>
    new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10));
  const lens = { product_keys: ["example1"], sphere: -1.25, base_curve: 8.7, diameter: 14.1 };
  const glass = { sphere: -1.5, cylinder: -0.5, axis: 90, add: 2, pupillary_distance: 31 };
  const pdf = { content_type: "application/pdf", source: Buffer.from("%PDF-1.7\n") };
  return [["contacts", lens], ["glasses", glass]].map(([type, eye]) => ({
    type, issue_date: today, expiration_date: nextYear, right_eye: eye, left_eye: eye, assets: [pdf],
  }));
}

const actions = {
  async approve(sessionKey) {
    const desk = connect("sessions", "SessionDeskService");
    const session = { partner: PARTNER, session_key: sessionKey };
    await call(desk, "StartExam", session);
    await call(desk, "SubmitExam", { ...session, status: "awaiting_review" });
    const approval = { ...session, dispensed_prescriptions: listDispensed() };
    return (await call(desk, "Approve", approval)).status;
  },
  async confirm(subscriptionId) {
    const desk = connect("subscriptions", "SubscriptionDeskService");
    return (await call(desk, "ConfirmSubscription", { subscription_id: subscriptionId })).status;
  },
  async ship(orderId) {
    const desk = connect("orders", "LabDeskService");
    await call(desk, "UpdateOrder", { order_id: orderId, lab_status: "in_progress" });
    return (await call(desk, "UpdateOrder", { order_id: orderId, lab_status: "shipped" })).lab_status;
  },
};

const [action, id] = process.argv.slice(2);
if (!Object.hasOwn(actions, action) || !id) {
  console.error("Usage: node examples/desk.mjs approve|confirm|ship ID");
  process.exit(2);
}
try {
  console.log(await actions[action](id));
  process.exit(0); // the channel would keep the process
} catch (error) {
  console.error(`${grpc.status[error.code] ?? error.name}: ${error.details ?? error.message}`);
  process.exit(1);
}
