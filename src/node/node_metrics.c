/* SPDX-License-Identifier: MIT
 */
#include "node/node_metrics.h"
#include "node/health.h"
#include "node/process.h"
#include "node/tunnel_metrics.h"
#include "wire/timestamp.h"

#include <string.h>

static const char *const family_names[FAMILIES] = {"ipv4", "ipv6"};

static void per_family(struct metrics *m, const char *name, const char *help,
                       const unsigned value[FAMILIES])
{
    metrics_family(m, name, METRIC_GAUGE, help);
    for (int f = 0; f < FAMILIES; f++)
        metrics_labelled(m, "family", family_names[f], value[f]);
}

static void per_method(struct metrics *m, const char *name, const char *help,
                       const uint64_t value[DHT_METHODS])
{
    metrics_family(m, name, METRIC_COUNTER, help);
    for (int i = 0; i < DHT_METHODS; i++)
        metrics_labelled(m, "method", dht_method_name((enum dht_method)i),
                         value[i]);
}

static void add_process(const struct node *n, uint64_t now, struct metrics *m)
{
    struct metric_label version = {"version", WARREN_VERSION};

    metrics_family(m, "warren_build_info", METRIC_GAUGE,
                   "Always 1; what runs is in the labels.");
    metrics_sample(m, &version, 1, 1);
    metrics_gauge(m, "warren_uptime_seconds", "Time since the start.",
                  time_since(n->started_at, now) / TIME_S);
    metrics_gauge(m, "process_resident_memory_bytes",
                  "Memory of the process that is in RAM.", process_resident());
    metrics_counter(m, "warren_log_suppressed_total",
                    "Log lines that were counted instead of written.",
                    log_suppressed(n->log));
    metrics_gauge(m, "warren_clock_behind_seconds",
                  "How far the wall clock has gone back.",
                  (uint64_t)n->clock_behind);
}

static void add_health(const struct node *n, uint64_t now, struct metrics *m)
{
    struct health health;
    struct text reason;

    health_check(n, now, &health);
    text_init(&reason, HEALTH_TEXT_SIZE);
    metrics_gauge(m, "warren_healthy", "What /health says.",
                  health_is_ok(&health, &reason));
    text_deinit(&reason);
    metrics_gauge(m, "warren_dht_joined", "Whether any other node answers.",
                  dht_host_joined(n->dht));
}

static void add_udp(const struct node *n, struct metrics *m)
{
    const struct udp_counters *c = udp_counters(n->udp);

    metrics_counter(m, "warren_udp_received_total", "Datagrams received.",
                    c->received);
    metrics_counter(m, "warren_udp_received_bytes_total", "Their bytes.",
                    c->received_bytes);
    metrics_counter(m, "warren_udp_sent_total", "Datagrams sent.", c->sent);
    metrics_counter(m, "warren_udp_sent_bytes_total", "Their bytes.",
                    c->sent_bytes);
    metrics_counter(m, "warren_udp_receive_calls_total",
                    "System calls that received.", c->receive_calls);
    metrics_counter(m, "warren_udp_send_calls_total", "System calls that sent.",
                    c->send_calls);
    metrics_counter(m, "warren_udp_trains_received_total",
                    "Trains of datagrams that came as one.",
                    c->trains_received);
    metrics_counter(m, "warren_udp_trains_sent_total",
                    "Trains of datagrams that left as one.", c->trains_sent);
    metrics_counter(m, "warren_udp_trains_refused_total",
                    "Trains that had to be sent one by one.",
                    c->trains_refused);
    metrics_counter(m, "warren_udp_borrowed_total",
                    "Datagrams sent from where they were received.",
                    c->borrowed);
    metrics_family(m, "warren_udp_dropped_total", METRIC_COUNTER,
                   "Datagrams that came to nothing, by reason.");
    for (int i = 0; i < UDP_DROPS; i++)
        metrics_labelled(m, "reason", udp_drop_name((enum udp_drop)i),
                         c->dropped[i]);
    for (int i = 0; i < NODE_DROPS; i++)
        metrics_labelled(m, "reason", node_drop_name((enum node_drop)i),
                         n->dropped[i]);
    metrics_labelled(m, "reason", "kernel_buffer_full",
                     udp_kernel_drops(n->udp));
}

static void add_dht_tables(const struct dht *dht, uint64_t now,
                           struct metrics *m)
{
    struct dht_status s;

    dht_status(dht, now, &s);
    per_family(m, "warren_dht_nodes", "Nodes in the routing table.", s.nodes);
    per_family(m, "warren_dht_nodes_good", "Of those, good ones.", s.good);
    per_family(m, "warren_dht_nodes_cached", "Candidates for the table.",
               s.cached);
    per_family(m, "warren_dht_buckets", "Buckets of the table.", s.buckets);
    metrics_family(m, "warren_dht_network_size", METRIC_GAUGE,
                   "Estimated nodes of the network; 0 unknown.");
    for (int f = 0; f < FAMILIES; f++)
        metrics_labelled(m, "family", family_names[f],
                         (uint64_t)s.network_size[f]);
    metrics_gauge(m, "warren_dht_lookups", "Lookups running.", s.lookups);
    metrics_gauge(m, "warren_dht_pending", "Queries in flight.", s.pending);
    metrics_gauge(m, "warren_dht_publications",
                  "Own announcements and items that are renewed.",
                  s.publications);
    metrics_gauge(m, "warren_dht_hashes", "Info-hashes with stored peers.",
                  s.hashes);
    metrics_gauge(m, "warren_dht_peers", "Stored peers.", s.peers);
    metrics_gauge(m, "warren_dht_items", "Stored items.", s.items);
    metrics_gauge(m, "warren_dht_sources", "Sources whose rate is known.",
                  s.sources);
    metrics_gauge(m, "warren_dht_memory_bytes", "Held by the engine, about.",
                  s.memory);
}

static void add_dht_traffic(const struct dht_stats *s, struct metrics *m)
{
    metrics_counter(m, "warren_dht_received_total", "DHT datagrams received.",
                    s->received);
    metrics_counter(m, "warren_dht_received_bytes_total", "Their bytes.",
                    s->received_bytes);
    metrics_counter(m, "warren_dht_sent_total", "DHT datagrams sent.", s->sent);
    metrics_counter(m, "warren_dht_sent_bytes_total", "Their bytes.",
                    s->sent_bytes);
    per_method(m, "warren_dht_queries_in_total", "Queries received, by method.",
               s->queries_in);
    per_method(m, "warren_dht_queries_out_total", "Queries sent, by method.",
               s->queries_out);
    metrics_counter(m, "warren_dht_answers_in_total", "Answers received.",
                    s->answers_in);
    metrics_counter(m, "warren_dht_answers_out_total", "Answers sent.",
                    s->answers_out);
    metrics_counter(m, "warren_dht_errors_in_total", "Errors received.",
                    s->errors_in);
    metrics_counter(m, "warren_dht_errors_out_total", "Errors sent.",
                    s->errors_out);
    metrics_counter(m, "warren_dht_timeouts_total", "Queries not answered.",
                    s->timeouts);
    metrics_counter(m, "warren_dht_late_answers_total",
                    "Answers after the short timeout.", s->late_answers);
    metrics_family(m, "warren_dht_dropped_total", METRIC_COUNTER,
                   "DHT datagrams dropped, by reason.");
    for (int e = 1; e < ERR_END_; e++)
        metrics_labelled(m, "reason", error_name((enum error)e), s->dropped[e]);
}

static void add_dht_work(const struct dht_stats *s, struct metrics *m)
{
    metrics_counter(m, "warren_dht_table_added_total",
                    "Nodes that entered the routing table.", s->table_added);
    metrics_counter(m, "warren_dht_table_replaced_total",
                    "Of those, in place of a bad one.", s->table_replaced);
    metrics_counter(m, "warren_dht_table_refused_total",
                    "Nodes that the table did not take.", s->table_refused);
    metrics_counter(m, "warren_dht_peers_stored_total", "Peers stored.",
                    s->peers_stored);
    metrics_counter(m, "warren_dht_peers_evicted_total",
                    "Peers that made room for others.", s->peers_evicted);
    metrics_counter(m, "warren_dht_items_stored_total", "Items stored.",
                    s->items_stored);
    metrics_counter(m, "warren_dht_items_evicted_total",
                    "Items that made room for others.", s->items_evicted);
    metrics_counter(m, "warren_dht_refused_full_total",
                    "Tokens withheld because the store was full.",
                    s->refused_full);
    metrics_counter(m, "warren_dht_distrusted_total",
                    "Nodes caught naming made-up nodes.", s->distrusted);
    metrics_counter(m, "warren_dht_lookups_started_total", "Lookups begun.",
                    s->lookups_started);
    metrics_counter(m, "warren_dht_lookups_done_total", "Lookups ended.",
                    s->lookups_done);
    metrics_counter(m, "warren_dht_lookups_empty_total",
                    "Lookups that found nothing.", s->lookups_empty);
}

static void add_store(const struct node *n, struct metrics *m)
{
    struct store_health s;

    store_get_health(n->store, &s);
    metrics_gauge(m, "warren_store_ok", "Whether the last write succeeded.",
                  s.ok);
    metrics_counter(m, "warren_store_flushes_total", "Transactions written.",
                    s.flushes);
    metrics_counter(m, "warren_store_failures_total",
                    "Writes and reads that failed.", s.failures);
    metrics_counter(m, "warren_store_dropped_total",
                    "Changes that found no room in the queue.", s.dropped);
    metrics_counter(m, "warren_store_pruned_total",
                    "Nodes removed over the cap.", s.pruned);
    metrics_counter(m, "warren_store_skipped_total", "Rows of a wrong shape.",
                    s.skipped);
    metrics_gauge(m, "warren_store_queued", "Changes waiting.", s.queued);
    metrics_gauge(m, "warren_store_queued_bytes", "Their bytes.",
                  s.queued_bytes);
    metrics_family(m, "warren_store_rows", METRIC_GAUGE, "Rows, by table.");
    metrics_labelled(m, "table", "nodes", s.nodes);
    metrics_labelled(m, "table", "announcements", s.announcements);
    metrics_labelled(m, "table", "items", s.items);
    metrics_labelled(m, "table", "relays", s.relays);
    metrics_labelled(m, "table", "settings", s.settings);
    metrics_counter(m, "warren_store_not_restored_total",
                    "Stored things that the engine did not take at the start.",
                    dht_host_not_restored(n->dht));
}

static void add_control(const struct control_server *control, struct metrics *m)
{
    const struct control_counters *c = control_counters(control);

    metrics_gauge(m, "warren_control_clients", "Clients connected.",
                  control_clients(control));
    metrics_counter(m, "warren_control_accepted_total", "Clients accepted.",
                    c->accepted);
    metrics_counter(m, "warren_control_requests_total", "Requests received.",
                    c->requests);
    metrics_counter(m, "warren_control_failed_total",
                    "Requests answered with an error.", c->failed);
    metrics_counter(m, "warren_control_bad_frames_total",
                    "Clients cut off for what they sent.", c->bad_frames);
    metrics_counter(m, "warren_control_slow_clients_total",
                    "Clients cut off for what they did not read.",
                    c->slow_clients);
}

void node_metrics(const struct node *n, const struct control_server *control,
                  const struct http *http, uint64_t now, struct metrics *m)
{
    const struct dht *dht = dht_host_engine(n->dht);

    add_process(n, now, m);
    add_health(n, now, m);
    add_udp(n, m);
    add_dht_tables(dht, now, m);
    add_dht_traffic(dht_stats(dht), m);
    add_dht_work(dht_stats(dht), m);
    tunnel_metrics(n->tunnels, now, m);
    add_store(n, m);
    if (control != NULL)
        add_control(control, m);
    if (http != NULL)
        metrics_gauge(m, "warren_http_connections", "HTTP connections open.",
                      http_connections(http));
}
