// Shows /report, again and again. Whatever peers have named is put in by textContent, never as markup.
"use strict";
const POLL_MS = 5000;
const POINTS = 60;
const SHOWN_CLIENTS = 50;
const trends = new Map();
const byId = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString("en-US");

function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function shorten(name) {
  return name.length > 120 ? name.slice(0, 120) + "…" : name;
}

function ago(seconds) {
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " days";
}

// A cell is a text, a number, a node, or [text, class].
// What its column is called is said beside it where there is no room for columns.
function cell(content, head) {
  const td = make("td");
  if (typeof content === "number") {
    td.textContent = number(content);
    td.className = content === 0 ? "n none" : "n";
  } else if (content instanceof Node) td.append(content);
  else if (Array.isArray(content)) td.append(make("span", content[0], content[1]));
  else td.textContent = content;
  if (head.classList.contains("wide")) td.classList.add("wide");
  td.dataset.head = head.textContent;
  return td;
}

function fill(id, rows, nothing) {
  const table = byId(id);
  const heads = [...table.tHead.rows[0].cells];
  const made = rows.map((row) => {
    const tr = make("tr");
    tr.append(...row.map((content, n) => cell(content, heads[n])));
    return tr;
  });
  if (made.length === 0) {
    const td = make("td", nothing, "none");
    td.colSpan = heads.length;
    const tr = make("tr");
    tr.append(td);
    made.push(tr);
  }
  table.tBodies[0].replaceChildren(...made);
}

const SIGNS = { act: ["act", "▲ Act"], look: ["look", "◆ Look"], know: ["know", "● Know"] };

function needs(list) {
  const urgent = list.filter((need) => need.level !== "know").length;
  byId("headline").textContent = headline(urgent);
  byId("need-list").replaceChildren(...list.map((need) => {
    const [kind, word] = SIGNS[need.level] || SIGNS.look;
    const li = make("li", undefined, kind);
    li.append(make("b", word), " ", make("span", need.text));
    return li;
  }));
}

function headline(urgent) {
  if (urgent === 0) return "Nothing needs a human.";
  return urgent === 1 ? "One thing needs a human." : urgent + " things need a human.";
}

const MODES = { enforce: ["■ enforce", "word know"], observe: ["□ observe", "word look"], off: ["– off", "word none"] };

function counts(s) {
  const seen = s.observations.exact + s.observations.partial;
  return [s.overrides.enforce + s.rejections.enforce, s.overrides.observe + s.rejections.observe + seen, s.exempted];
}

// Points are the news of each poll; a counter that fell began anew.
function trend(name, total) {
  const kept = trends.get(name) || { last: total, news: [] };
  kept.news.push(Math.max(0, total - kept.last));
  kept.last = total;
  if (kept.news.length > POINTS) kept.news.shift();
  trends.set(name, kept);
  return kept.news;
}

function sparkline(news) {
  const SVG = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(SVG, "svg");
  const most = Math.max(1, ...news);
  const points = news.map((n, i) => i + "," + (18 - 16 * n / most).toFixed(1));
  svg.setAttribute("viewBox", "0 0 " + (POINTS - 1) + " 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", number(news.reduce((a, b) => a + b, 0)) + " new in " + ago(news.length * POLL_MS / 1000));
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

function scenarios(list, acks0) {
  const idle = [];
  const rows = [];
  for (const s of list) {
    const found = counts(s);
    const total = found[0] + found[1] + found[2];
    const news = trend(s.name, total);
    if (total === 0) idle.push(s.name + " (" + s.mode + ")");
    else rows.push([total, [s.name, MODES[s.mode] || s.mode, ...found, sparkline(news)]]);
  }
  rows.sort((a, b) => b[0] - a[0]);
  fill("scenarios", rows.map((row) => row[1]), "Nothing was found yet.");
  byId("acks0").textContent = "Records sent with acks=0: " + number(acks0.confirmed) + " confirmed, " + number(acks0.refused)
    + " refused (not stored), " + number(acks0.unknown) + " unknown.";
  byId("idle").hidden = idle.length === 0;
  byId("idle").firstElementChild.textContent = idle.length + " scenarios have found nothing";
  byId("idle-names").textContent = idle.join(", ");
}

function cluster(report) {
  const c = report.cluster;
  const seen = c.last_look === 0 ? "not seen yet" : "seen " + ago(Math.max(0, report.now - c.last_look)) + " ago";
  byId("cluster").textContent = report.brokers.length + " brokers, " + seen + "; topics in use: " + number(c.topics) + ", "
    + "partitions below min.insync.replicas: " + number(c.degraded_partitions) + ", failed looks: " + number(c.failed_looks) + ".";
  fill("brokers", report.brokers.map((b) => [
    b.node_id,
    b.mapped === null ? ["▲ unmapped: outside broker_ids", "act"] : b.mapped,
    b.host + ":" + b.port,
    b.rack === null ? "–" : b.rack,
  ]), "No broker is known.");
}

function risks(client) {
  const why = [];
  if (client.acks.none > 0) why.push("acks=0");
  if (client.acks.leader > 0) why.push("acks=1");
  for (const bug of client.known_bugs) why.push(bug.bug);
  for (const [code, times] of Object.entries(client.errors)) why.push(code + " × " + number(times));
  return why;
}

function clients(report) {
  const risky = report.clients.filter((client) => risks(client).length > 0);
  const left = risky.length - SHOWN_CLIENTS;
  byId("clients-hint").textContent = risky.length + " of " + report.clients.length + " known clients send acks 0 or 1, were told errors, or have a known bug."
    + (left > 0 ? " The " + SHOWN_CLIENTS + " with most requests are shown." : "")
    + (report.clients_left_out > 0 ? " " + number(report.clients_left_out) + " more are counted together only." : "");
  fill("clients", risky.slice(0, SHOWN_CLIENTS).map((client) => [
    client.client_id === null ? ["none", "none"] : shorten(client.client_id),
    client.software === null ? "–" : shorten(client.software + " " + (client.software_version || "")),
    client.open_connections, client.acks.none, client.acks.leader, client.acks.all,
    risks(client).join(", "),
  ]), "None.");
}

function topics(report) {
  const left = report.weak_topics_left_out;
  byId("topics-hint").textContent = "Of the topics that clients use." + (left > 0 ? " " + number(left) + " more are not shown." : "");
  fill("topics", report.weak_topics.map((topic) => [shorten(topic.name), topic.why]), "None.");
}

function alarms(report) {
  fill("alarms", report.alarms.map((a) => [
    [ago(Math.max(0, report.now - a.last_seen)) + " ago", "word"],
    a.grave ? ["▲ " + a.kind, "act word"] : [a.kind, "word"],
    a.text,
    [a.client_id, a.broker === null ? null : "broker " + a.broker, a.topic].filter((name) => name !== null).map(shorten).join(" → ") || "–",
  ]), "None since the start.");
}

function exemptions(report) {
  fill("exemptions", report.exemptions.map((e) => [
    e.name, e.scenarios.join(", "), e.owner + ": " + e.reason,
    // The last day on which it holds, as the file has it; it ends with that day.
    e.expires === null ? "never" : e.expires <= report.now ? ["▲ expired", "look word"] : [new Date(e.expires * 1000 - 1).toISOString().slice(0, 10), "word"],
    e.hits,
  ]), "None.");
}

function show(report) {
  needs(report.needs);
  byId("facts").textContent = [
    report.readiness, "up " + ago(Math.max(0, report.now - report.started)), "preset " + report.preset, "version " + report.version,
    number(report.client_connections) + " clients connected",
  ].join(" · ");
  document.title = (report.needs.some((need) => need.level === "act") ? "▲ " : "") + "Holdfast: " + report.readiness;
  scenarios(report.scenarios, report.acks0);
  cluster(report);
  clients(report);
  topics(report);
  alarms(report);
  exemptions(report);
  byId("hash").textContent = report.config.hash;
  // Not touched while it is the same: somebody may have marked a part of it.
  if (byId("config").textContent !== report.config.text) byId("config").textContent = report.config.text;
}

async function poll() {
  try {
    const answer = await fetch("report", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error("status " + answer.status);
    show(await answer.json());
    byId("polled").textContent = "as of " + new Date().toISOString().slice(11, 19) + " UTC, every " + POLL_MS / 1000 + " s";
  } catch (error) {
    byId("headline").textContent = "Holdfast does not answer: what is below is old.";
    byId("polled").textContent = "no answer: " + error.message;
  }
  setTimeout(poll, POLL_MS);
}

poll();
