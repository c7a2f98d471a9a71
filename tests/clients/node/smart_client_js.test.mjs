// The SMART JS client in a Node server, as its documentation shows it: https://docs.smarthealthit.org/client-js/node
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import smart from "fhirclient";

const { BASE_URL, PATIENT } = process.env;

/** What express-session would be: a place for each browser, and here there is one. */
const kept = {};
const storage = {
  get: async (key) => kept[key],
  set: async (key, value) => (kept[key] = value),
  unset: async (key) => delete kept[key],
};

const options = { clientId: "demo", scope: "patient/*.rs launch/patient offline_access", redirectUri: "callback", iss: BASE_URL };

/** The app: /launch sends the user to the server, /callback is where he comes back to, and what he sees. */
async function serve(request, response) {
  const app = smart(request, response, storage);
  if (request.url.startsWith("/launch")) return app.authorize(options);
  const client = await app.ready();
  const [patient, observations] = await Promise.all([
    client.patient.read(),
    client.request(`Observation?patient=${client.patient.id}&_count=2`, { pageLimit: 0, flat: true }),
  ]);
  await client.refresh();
  const again = await client.patient.read();
  response.end(JSON.stringify({ patient, again, observations, state: client.state.tokenResponse }));
}

/** What the patient does in his browser. */
async function agree(location) {
  const page = await (await fetch(location)).text();
  const request = page.match(/name="request" value="([^"]+)"/)[1];
  const body = new URLSearchParams({ request, identity: "patient", patient: PATIENT, decision: "allow" });
  const place = new URL(location);
  const answer = await fetch(place.origin + place.pathname, { method: "POST", body, redirect: "manual" });
  return answer.headers.get("location");
}

test("an app is launched, lets the patient in, reads his record and refreshes its token", async () => {
  const server = createServer((request, response) => serve(request, response).catch((fault) => response.end(`${fault.stack}`)));
  await new Promise((started) => server.listen(0, "127.0.0.1", started));
  const launch = await fetch(`http://127.0.0.1:${server.address().port}/launch`, { redirect: "manual" });
  const page = await (await fetch(await agree(launch.headers.get("location")))).text();
  assert.match(page, /^\{/);
  const seen = JSON.parse(page);
  server.close();
  server.closeAllConnections();
  assert.equal(seen.patient.id, PATIENT);
  assert.equal(seen.again.id, PATIENT);
  assert.equal(seen.state.patient, PATIENT);
  assert.ok(seen.observations.length > 2);
  assert.ok(seen.observations.every((row) => row.resourceType === "Observation"));
});

test("a client made from a token reads and writes", async () => {
  const client = smart({ headers: {} }, {}, storage).client({ serverUrl: BASE_URL, tokenResponse: { access_token: process.env.TOKEN } });
  assert.equal((await client.request(`Patient/${PATIENT}`)).id, PATIENT);
  const row = await client.request(`Observation?patient=${PATIENT}&_count=1`, { resolveReferences: "subject", flat: true, pageLimit: 1 });
  assert.equal(row[0].subject.id, PATIENT);
  await assert.rejects(client.request("Patient/nobody"), /404|Not Found/i);
});
