/* SPDX-License-Identifier: MIT
 *
 * All of /metrics, in its order: the process, its health, sockets, the DHT, the
 * tunnels (tunnel_metrics.c), the store, the control socket and this page
 * itself. A counter becomes a sample by a row in one of the tables.
 */
#include "node/monitor/node_metrics.h"
#include "base/timestamp.h"
#include "node/host/health.h"
#include "node/monitor/service_metrics.h"
#include "node/monitor/tunnel_metrics.h"
#include "node/os/process.h"

#include <string.h>

static const char *family_label(int f)
{
    return f == FAMILY_IPV4 ? "ipv4" : "ipv6";
}

static const char *published_label(int state)
{
    return dht_published_name((enum dht_published)state);
}

static const char *method_label(int method)
{
    return dht_method_name((enum dht_method)method);
}

static const char *udp_drop_label(int reason)
{
    return udp_drop_name((enum udp_drop)reason);
}

static const char *node_drop_label(int reason)
{
    return node_drop_name((enum node_drop)reason);
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
    metrics_counter(m, "warren_log_lost_total",
                    "Log lines that stderr had no room for.", log_lost(n->log));
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
}

/* ---- Sockets ------------------------------------------------------------ */

static const struct metric_row udp_rows[] = {
    {"warren_udp_received_total", "Datagrams received.",
     METRIC_AT(struct udp_counters, received)},
    {"warren_udp_received_bytes_total", "Their bytes.",
     METRIC_AT(struct udp_counters, received_bytes)},
    {"warren_udp_sent_total", "Datagrams sent.",
     METRIC_AT(struct udp_counters, sent)},
    {"warren_udp_sent_bytes_total", "Their bytes.",
     METRIC_AT(struct udp_counters, sent_bytes)},
    {"warren_udp_receive_calls_total", "System calls that received.",
     METRIC_AT(struct udp_counters, receive_calls)},
    {"warren_udp_send_calls_total", "System calls that sent.",
     METRIC_AT(struct udp_counters, send_calls)},
    {"warren_udp_trains_received_total",
     "Trains of datagrams that came as one.",
     METRIC_AT(struct udp_counters, trains_received)},
    {"warren_udp_trains_sent_total", "Trains of datagrams that left as one.",
     METRIC_AT(struct udp_counters, trains_sent)},
    {"warren_udp_trains_refused_total",
     "Trains that had to be sent one by one.",
     METRIC_AT(struct udp_counters, trains_refused)},
    {"warren_udp_borrowed_total",
     "Datagrams sent from where they were received.",
     METRIC_AT(struct udp_counters, borrowed)},
    {"warren_udp_network_errors_total",
     "ICMP errors about datagrams that were sent, of any kind.",
     METRIC_AT(struct udp_counters, network_errors)},
    {"warren_udp_gone_total",
     "Of those, ports where nobody is (port unreachable).",
     METRIC_AT(struct udp_counters, gone)},
    {"warren_udp_network_errors_paused_total",
     "Times that so many came that none were read for a second.",
     METRIC_AT(struct udp_counters, errors_paused)},
    {"warren_udp_dropped_total", "Datagrams that came to nothing, by reason.",
     METRIC_EACH(struct udp_counters, dropped, "reason", 0, udp_drop_label)},
};

static const struct metric_row node_rows[] = {
    {"warren_udp_dropped_total", "",
     METRIC_EACH(struct node, dropped, "reason", 0, node_drop_label)},
};

static void add_udp(const struct node *n, struct metrics *m)
{
    METRICS_ROWS(m, udp_rows, udp_counters(n->udp));
    METRICS_ROWS(m, node_rows, n);
    metrics_labelled(m, "reason", "kernel_buffer_full",
                     udp_kernel_drops(n->udp));
    metrics_family(m, "warren_udp_refused", METRIC_GAUGE,
                   "Datagrams that the system has refused since it last sent "
                   "one.");
    metrics_labelled(m, "family", "ipv4",
                     udp_traffic(n->udp, FAMILY_IPV4)->refused_now);
    metrics_labelled(m, "family", "ipv6",
                     udp_traffic(n->udp, FAMILY_IPV6)->refused_now);
}

/* ---- The DHT ------------------------------------------------------------ */

static const struct metric_row dht_status_rows[] = {
    {"warren_dht_nodes", "Nodes in the routing table.",
     METRIC_EACH(struct dht_status, nodes, "family", 0, family_label)},
    {"warren_dht_nodes_good", "Of those, good ones.",
     METRIC_EACH(struct dht_status, good, "family", 0, family_label)},
    {"warren_dht_nodes_cached", "Candidates for the table.",
     METRIC_EACH(struct dht_status, cached, "family", 0, family_label)},
    {"warren_dht_buckets", "Buckets of the table.",
     METRIC_EACH(struct dht_status, buckets, "family", 0, family_label)},
    {"warren_dht_lookups", "Lookups running.",
     METRIC_AT(struct dht_status, lookups)},
    {"warren_dht_pending", "Queries in flight.",
     METRIC_AT(struct dht_status, pending)},
    {"warren_dht_publications", "Own announcements and items that are renewed.",
     METRIC_AT(struct dht_status, publications)},
    {"warren_dht_published",
     "Own announcements and items, by what is known of where they are.",
     METRIC_EACH(struct dht_status, published, "state", 0, published_label)},
    {"warren_dht_hashes", "Info-hashes with stored peers.",
     METRIC_AT(struct dht_status, hashes)},
    {"warren_dht_peers", "Stored peers.", METRIC_AT(struct dht_status, peers)},
    {"warren_dht_items", "Stored items.", METRIC_AT(struct dht_status, items)},
    {"warren_dht_sources", "Sources whose rate is known.",
     METRIC_AT(struct dht_status, sources)},
    {"warren_dht_memory_bytes", "Held by the engine, about.",
     METRIC_AT(struct dht_status, memory)},
};

static const struct metric_row dht_rows[] = {
    {"warren_dht_received_total", "DHT datagrams received.",
     METRIC_AT(struct dht_stats, received)},
    {"warren_dht_received_bytes_total", "Their bytes.",
     METRIC_AT(struct dht_stats, received_bytes)},
    {"warren_dht_sent_total", "DHT datagrams sent.",
     METRIC_AT(struct dht_stats, sent)},
    {"warren_dht_sent_bytes_total", "Their bytes.",
     METRIC_AT(struct dht_stats, sent_bytes)},
    {"warren_dht_queries_in_total", "Queries received, by method.",
     METRIC_EACH(struct dht_stats, queries_in, "method", 0, method_label)},
    {"warren_dht_queries_out_total", "Queries sent, by method.",
     METRIC_EACH(struct dht_stats, queries_out, "method", 0, method_label)},
    {"warren_dht_answers_in_total", "Answers received.",
     METRIC_AT(struct dht_stats, answers_in)},
    {"warren_dht_answers_out_total", "Answers sent.",
     METRIC_AT(struct dht_stats, answers_out)},
    {"warren_dht_errors_in_total", "Errors received.",
     METRIC_AT(struct dht_stats, errors_in)},
    {"warren_dht_errors_out_total", "Errors sent.",
     METRIC_AT(struct dht_stats, errors_out)},
    {"warren_dht_unsent_total", "Queries that did not leave this machine.",
     METRIC_AT(struct dht_stats, unsent)},
    {"warren_dht_timeouts_total", "Queries not answered.",
     METRIC_AT(struct dht_stats, timeouts)},
    {"warren_dht_late_answers_total", "Answers after the short timeout.",
     METRIC_AT(struct dht_stats, late_answers)},
    {"warren_dht_dropped_total", "DHT datagrams dropped, by reason.",
     METRIC_EACH(struct dht_stats, dropped, "reason", 1, metrics_error_label)},
    {"warren_dht_table_added_total", "Nodes that entered the routing table.",
     METRIC_AT(struct dht_stats, table_added)},
    {"warren_dht_table_replaced_total", "Of those, in place of a bad one.",
     METRIC_AT(struct dht_stats, table_replaced)},
    {"warren_dht_table_refused_total", "Nodes that the table did not take.",
     METRIC_AT(struct dht_stats, table_refused)},
    {"warren_dht_peers_stored_total", "Peers stored.",
     METRIC_AT(struct dht_stats, peers_stored)},
    {"warren_dht_peers_evicted_total", "Peers that made room for others.",
     METRIC_AT(struct dht_stats, peers_evicted)},
    {"warren_dht_items_stored_total", "Items stored.",
     METRIC_AT(struct dht_stats, items_stored)},
    {"warren_dht_items_evicted_total", "Items that made room for others.",
     METRIC_AT(struct dht_stats, items_evicted)},
    {"warren_dht_refused_full_total",
     "Tokens withheld because the store was full.",
     METRIC_AT(struct dht_stats, refused_full)},
    {"warren_dht_distrusted_total", "Nodes caught naming made-up nodes.",
     METRIC_AT(struct dht_stats, distrusted)},
    {"warren_dht_lookups_started_total", "Lookups begun.",
     METRIC_AT(struct dht_stats, lookups_started)},
    {"warren_dht_lookups_done_total", "Lookups ended.",
     METRIC_AT(struct dht_stats, lookups_done)},
    {"warren_dht_lookups_empty_total", "Lookups that found nothing.",
     METRIC_AT(struct dht_stats, lookups_empty)},
};

/* What is not of the engine, or no whole number there. */
struct dht_figures {
    uint64_t joined, not_restored;
    uint64_t network_size[FAMILIES];
};

static const struct metric_row dht_figure_rows[] = {
    {"warren_dht_joined", "Whether any other node answers.",
     METRIC_AT(struct dht_figures, joined)},
    {"warren_dht_network_size", "Estimated nodes of the network; 0 unknown.",
     METRIC_EACH(struct dht_figures, network_size, "family", 0, family_label)},
    {"warren_store_not_restored_total",
     "Stored things that the engine did not take at the start.",
     METRIC_AT(struct dht_figures, not_restored)},
};

#define ROWS_EACH(m, rows, values, also, n)                                    \
    metrics_rows_each(m, rows, sizeof(rows) / sizeof((rows)[0]), values, also, \
                      n)

/* Those of the mainline DHT have the same names, and a label: ours were there
 * first, and are without one. */
static void add_dhts(const struct node *n, uint64_t now, struct metrics *m)
{
    static const struct metric_label label = {"dht", "mainline"};
    static const struct metric_label *const also[STORE_DHTS] = {
        [STORE_MAINLINE] = &label};
    const struct dht_host *hosts[STORE_DHTS] = {n->dht, n->mainline};
    struct dht_status status[STORE_DHTS];
    struct dht_figures figures[STORE_DHTS];
    const void *statuses[STORE_DHTS], *others[STORE_DHTS], *stats[STORE_DHTS];
    size_t count = n->mainline == NULL ? 1 : 2;

    for (size_t i = 0; i < count; i++) {
        const struct dht *dht = dht_host_engine(hosts[i]);

        dht_status(dht, now, &status[i]);
        figures[i].joined = dht_host_joined(hosts[i]);
        figures[i].not_restored = dht_host_not_restored(hosts[i]);
        for (int f = 0; f < FAMILIES; f++)
            figures[i].network_size[f] = (uint64_t)status[i].network_size[f];
        statuses[i] = &status[i];
        others[i] = &figures[i];
        stats[i] = dht_stats(dht);
    }
    ROWS_EACH(m, dht_status_rows, statuses, also, count);
    ROWS_EACH(m, dht_figure_rows, others, also, count);
    ROWS_EACH(m, dht_rows, stats, also, count);
}

/* ---- Store and control socket ------------------------------------------- */

static const struct metric_row store_rows[] = {
    {"warren_store_ok", "Whether the last write succeeded.",
     METRIC_AT(struct store_health, ok)},
    {"warren_store_flushes_total", "Transactions written.",
     METRIC_AT(struct store_health, flushes)},
    {"warren_store_failures_total", "Writes and reads that failed.",
     METRIC_AT(struct store_health, failures)},
    {"warren_store_dropped_total", "Changes that found no room in the queue.",
     METRIC_AT(struct store_health, dropped)},
    {"warren_store_pruned_total", "Nodes removed over the cap.",
     METRIC_AT(struct store_health, pruned)},
    {"warren_store_skipped_total", "Rows of a wrong shape.",
     METRIC_AT(struct store_health, skipped)},
    {"warren_store_queued", "Changes waiting.",
     METRIC_AT(struct store_health, queued)},
    {"warren_store_queued_bytes", "Their bytes.",
     METRIC_AT(struct store_health, queued_bytes)},
    {"warren_store_rows", "Rows, by table.",
     METRIC_AT(struct store_health, nodes[STORE_DHT]), "table", "nodes"},
    {"warren_store_rows", "",
     METRIC_AT(struct store_health, announcements[STORE_DHT]), "table",
     "announcements"},
    {"warren_store_rows", "", METRIC_AT(struct store_health, items[STORE_DHT]),
     "table", "items"},
    {"warren_store_rows", "",
     METRIC_AT(struct store_health, nodes[STORE_MAINLINE]), "table",
     "mainline_nodes"},
    {"warren_store_rows", "",
     METRIC_AT(struct store_health, announcements[STORE_MAINLINE]), "table",
     "mainline_announcements"},
    {"warren_store_rows", "",
     METRIC_AT(struct store_health, items[STORE_MAINLINE]), "table",
     "mainline_items"},
    {"warren_store_rows", "", METRIC_AT(struct store_health, relays), "table",
     "relays"},
    {"warren_store_rows", "", METRIC_AT(struct store_health, settings), "table",
     "settings"},
};

static void add_store(const struct node *n, struct metrics *m)
{
    struct store_health s;

    store_get_health(n->store, &s);
    METRICS_ROWS(m, store_rows, &s);
}

static const struct metric_row control_rows[] = {
    {"warren_control_accepted_total", "Clients accepted.",
     METRIC_AT(struct control_counters, accepted)},
    {"warren_control_requests_total", "Requests received.",
     METRIC_AT(struct control_counters, requests)},
    {"warren_control_failed_total", "Requests answered with an error.",
     METRIC_AT(struct control_counters, failed)},
    {"warren_control_bad_frames_total", "Clients cut off for what they sent.",
     METRIC_AT(struct control_counters, bad_frames)},
    {"warren_control_slow_clients_total",
     "Clients cut off for what they did not read.",
     METRIC_AT(struct control_counters, slow_clients)},
    {"warren_control_made_way_total",
     "Clients cut off for others, of the program that had most.",
     METRIC_AT(struct control_counters, made_way)},
    {"warren_control_lost_total",
     "News that were not told to a client that did not read.",
     METRIC_AT(struct control_counters, lost)},
};

static void add_control(const struct control_server *control, struct metrics *m)
{
    metrics_gauge(m, "warren_control_clients", "Clients connected.",
                  control_clients(control));
    METRICS_ROWS(m, control_rows, control_counters(control));
}

void node_metrics(const struct node *n, const struct control_server *control,
                  const struct http *http, uint64_t now, struct metrics *m)
{
    add_process(n, now, m);
    add_health(n, now, m);
    add_udp(n, m);
    add_dhts(n, now, m);
    tunnel_metrics(n->tunnels, now, m);
    service_metrics(n->services, now, m);
    add_store(n, m);
    if (control != NULL)
        add_control(control, m);
    if (http != NULL)
        metrics_gauge(m, "warren_http_connections", "HTTP connections open.",
                      http_connections(http));
}
