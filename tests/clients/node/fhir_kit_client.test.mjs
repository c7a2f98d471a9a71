// fhir-kit-client, as its README shows it: https://www.npmjs.com/package/fhir-kit-client
import assert from "node:assert/strict";
import { test } from "node:test";
import { CapabilityTool, Client } from "fhir-kit-client";

const { BASE_URL, TOKEN, PATIENT, AUTHOR } = process.env;
const client = new Client({ baseUrl: BASE_URL, bearerToken: TOKEN });

const weight = (value) => ({
  resourceType: "Observation",
  status: "final",
  code: { coding: [{ system: "http://loinc.org", code: "29463-7" }] },
  subject: { reference: `Patient/${PATIENT}` },
  performer: [{ reference: AUTHOR }],
  effectiveDateTime: "2026-02-14",
  valueQuantity: { value, unit: "kg", system: "http://unitsofmeasure.org", code: "kg" },
});

test("SMART metadata are discovered without a token", async () => {
  const { authorizeUrl, tokenUrl } = await new Client({ baseUrl: BASE_URL }).smartAuthMetadata();
  assert.match(authorizeUrl.toString(), /authorize$/);
  assert.match(tokenUrl.toString(), /token$/);
});

test("the CapabilityStatement says what can be done", async () => {
  const tool = new CapabilityTool(await client.capabilityStatement());
  assert.ok(tool.serverCan("transaction"));
  assert.ok(tool.resourceCan("Patient", "read"));
  assert.ok(tool.resourceSearch("Observation", "patient"));
});

test("a resource is created, read, changed, patched and deleted", async () => {
  const created = await client.create({ resourceType: "Observation", body: weight(70) });
  const place = { resourceType: "Observation", id: created.id };
  assert.equal((await client.read(place)).valueQuantity.value, 70);
  const updated = await client.update({ ...place, body: { ...created, status: "amended" } });
  assert.equal(updated.meta.versionId, "2");
  const patched = await client.patch({ ...place, jsonPatch: [{ op: "replace", path: "/status", value: "corrected" }] });
  assert.equal(patched.status, "corrected");
  assert.equal((await client.vread({ ...place, version: "1" })).status, "final");
  assert.equal((await client.history(place)).entry.length, 3);
  await client.delete(place);
  await assert.rejects(client.read(place), (fault) => fault.response.status === 410);
});

test("searches go by GET, by POST and in a compartment, page by page, forwards and back", async () => {
  const searchParams = { patient: PATIENT, _count: "2", _sort: "-date" };
  const first = await client.search({ resourceType: "Observation", searchParams });
  const second = await client.nextPage({ bundle: first });
  const back = await client.prevPage({ bundle: second });
  const ids = (bundle) => bundle.entry.map((entry) => entry.resource.id);
  assert.equal(ids(first).length, 2);
  assert.notDeepEqual(ids(second), ids(first));
  assert.deepEqual(ids(back), ids(first));
  const posted = await client.search({ resourceType: "Observation", searchParams, options: { postSearch: true } });
  assert.deepEqual(ids(posted), ids(first));
  const compartment = { resourceType: "Patient", id: PATIENT };
  const found = await client.search({ resourceType: "Observation", compartment, searchParams: { _sort: "-date", _count: "2" } });
  assert.deepEqual(ids(found), ids(first));
});

test("batches and transactions are posted to the base", async () => {
  const read = { request: { method: "GET", url: `Patient/${PATIENT}` } };
  const batch = await client.batch({ body: { resourceType: "Bundle", type: "batch", entry: [read] } });
  assert.equal(batch.entry[0].resource.id, PATIENT);
  const write = { resource: weight(71), request: { method: "POST", url: "Observation" } };
  const done = await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry: [write] } });
  assert.match(done.entry[0].response.status, /^201/);
});

test("operations are called on a type and on an instance", async () => {
  const outcome = await client.operation({ name: "validate", resourceType: "Observation", input: weight(72) });
  assert.equal(outcome.resourceType, "OperationOutcome");
  const everything = await client.operation({ name: "everything", resourceType: "Patient", id: PATIENT, method: "GET" });
  assert.ok(everything.entry.some((entry) => entry.resource.resourceType === "Patient"));
});

test("a refusal is an OperationOutcome", async () => {
  const broken = client.create({ resourceType: "Observation", body: { ...weight(73), status: "none" } });
  await assert.rejects(broken, (fault) => fault.response.data.resourceType === "OperationOutcome");
});
