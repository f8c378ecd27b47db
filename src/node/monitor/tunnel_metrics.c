/* SPDX-License-Identifier: MIT
 *
 * The part of /metrics that is about tunnels, a table of rows for each struct
 * of counters: links, circuits of others and our own, the directory, the exit.
 */
#include "node/monitor/tunnel_metrics.h"

#include "node/monitor/proxy_metrics.h"
#include "node/monitor/service_metrics.h"
#include "node/monitor/stream_metrics.h"
#include "node/os/clock.h"
#include "tunnel/member/member.h"

#include <stdio.h>

static const char *reason_label(int r)
{
    return reason_name((enum reason)r);
}

static const char *verdict_label(int v)
{
    return policy_verdict_name((enum policy_verdict)v);
}

/* ---- Links, circuits of others and our own ------------------------------ */

static const struct metric_row status_rows[] = {
    {"warren_tunnel_links", "Links with neighbours.",
     METRIC_AT(struct member_status, links)},
    {"warren_tunnel_links_in_parts",
     "Links whose path loses large cells, so that they go in two datagrams.",
     METRIC_AT(struct member_status, paths.parts)},
    {"warren_tunnel_links_large_lost",
     "Links on which large cells are lost even so.",
     METRIC_AT(struct member_status, paths.lost)},
    {"warren_tunnel_transits",
     "Circuits of others that this node takes part in.",
     METRIC_AT(struct member_status, relays)},
    {"warren_tunnel_circuits", "Circuits of our own.",
     METRIC_AT(struct member_status, circuits)},
    {"warren_tunnel_circuits_ready", "Of those, that data can be sent over.",
     METRIC_AT(struct member_status, ready)},
};

static const struct metric_row link_rows[] = {
    {"warren_tunnel_links_opened_total", "Links that came up, of both sides.",
     METRIC_AT(struct link_stats, opened)},
    {"warren_tunnel_links_failed_total", "Links of ours that did not come up.",
     METRIC_AT(struct link_stats, failed)},
    {"warren_tunnel_link_inits_in_total", "Handshakes that others began.",
     METRIC_AT(struct link_stats, inits_in)},
    {"warren_tunnel_link_inits_out_total",
     "Handshakes begun here, with those tried again.",
     METRIC_AT(struct link_stats, inits_out)},
    {"warren_tunnel_link_accepts_total", "Handshakes accepted.",
     METRIC_AT(struct link_stats, accepts_out)},
    {"warren_tunnel_link_retries_total", "Cookies given under load.",
     METRIC_AT(struct link_stats, retries_out)},
    {"warren_tunnel_link_refuses_total", "Handshakes of another version.",
     METRIC_AT(struct link_stats, refuses_out)},
    {"warren_tunnel_link_half_open_evicted_total",
     "Links of others that made room before their first cell.",
     METRIC_AT(struct link_stats, half_open_evicted)},
    {"warren_tunnel_link_made_way_total",
     "Links that were closed to make room for another.",
     METRIC_AT(struct link_stats, made_way)},
    {"warren_tunnel_links_doubted_total",
     "Times that a link's peer was said to be gone: by the network, or by "
     "itself, since it was started again.",
     METRIC_AT(struct link_stats, doubts)},
    {"warren_tunnel_links_doubted_wrong_total",
     "Of those, peers that answered.",
     METRIC_AT(struct link_stats, doubts_wrong)},
    {"warren_tunnel_unknown_sessions_out_total",
     "Neighbours that were told that their session is not known here.",
     METRIC_AT(struct link_stats, unknown_out)},
    {"warren_tunnel_unknown_sessions_held_total",
     "Cells of no session that were not answered, beyond the rate.",
     METRIC_AT(struct link_stats, unknown_held)},
    {"warren_tunnel_unknown_sessions_in_total",
     "Times that somebody said that our session is not known there.",
     METRIC_AT(struct link_stats, unknown_in)},
    {"warren_tunnel_unknown_sessions_odd_total",
     "Of those, about no link of ours.",
     METRIC_AT(struct link_stats, unknown_odd)},
    {"warren_tunnel_links_narrow_total",
     "Links that were found to lose large cells.",
     METRIC_AT(struct link_stats, large_lost)},
    {"warren_tunnel_parts_in_total", "Halves of large cells received.",
     METRIC_AT(struct link_stats, parts_in)},
    {"warren_tunnel_parts_out_total", "Halves of large cells sent.",
     METRIC_AT(struct link_stats, parts_out)},
    {"warren_tunnel_link_rekeys_total", "Keys renewed.",
     METRIC_AT(struct link_stats, rekeys)},
    {"warren_tunnel_cells_in_total", "Cells received.",
     METRIC_AT(struct link_stats, cells_in)},
    {"warren_tunnel_cells_out_total", "Cells sent.",
     METRIC_AT(struct link_stats, cells_out)},
};

static const struct metric_row router_rows[] = {
    {"warren_tunnel_dropped_total", "Tunnel datagrams dropped, by reason.",
     METRIC_EACH(struct router, dropped, "reason", 1, metrics_error_label)},
};

static const struct metric_row transit_rows[] = {
    {"warren_tunnel_transits_created_total",
     "Circuits of others that began here.",
     METRIC_AT(struct transit_stats, created)},
    {"warren_tunnel_transits_refused_total",
     "Circuits of others that were not taken.",
     METRIC_AT(struct transit_stats, refused)},
    {"warren_tunnel_transits_extended_total",
     "Circuits of others that were extended from here.",
     METRIC_AT(struct transit_stats, extended)},
    {"warren_tunnel_transits_repeated_total",
     "CREATEs and EXTENDs of others that came again.",
     METRIC_AT(struct transit_stats, repeated)},
    {"warren_tunnel_transits_ended_total",
     "Circuits of others that ended, by reason.",
     METRIC_EACH(struct transit_stats, ended, "reason", 0, reason_label)},
    {"warren_tunnel_extend_failed_total",
     "Extensions for others that failed, by reason.",
     METRIC_EACH(struct transit_stats, failed, "reason", 0, reason_label)},
    {"warren_tunnel_relayed_cells_total", "Cells relayed for others.",
     METRIC_AT(struct transit_stats, cells_forward), "way", "forward"},
    {"warren_tunnel_relayed_cells_total", "",
     METRIC_AT(struct transit_stats, cells_backward), "way", "backward"},
    {"warren_tunnel_relayed_bytes_total", "Their bytes.",
     METRIC_AT(struct transit_stats, bytes)},
    {"warren_tunnel_transit_dropped_total",
     "Cells of others dropped, by reason.",
     METRIC_AT(struct transit_stats, dropped_layer), "reason", "layer"},
    {"warren_tunnel_transit_dropped_total", "",
     METRIC_AT(struct transit_stats, dropped_message), "reason", "message"},
    {"warren_tunnel_transit_dropped_total", "",
     METRIC_AT(struct transit_stats, dropped_no_next), "reason", "no_next"},
};

static const struct metric_row circuit_rows[] = {
    {"warren_tunnel_circuits_started_total", "Circuits begun.",
     METRIC_AT(struct circuit_stats, started)},
    {"warren_tunnel_circuits_built_total", "Circuits that became ready.",
     METRIC_AT(struct circuit_stats, ready)},
    {"warren_tunnel_circuits_ended_total", "Circuits that ended, by reason.",
     METRIC_EACH(struct circuit_stats, ended, "reason", 0, reason_label)},
    {"warren_tunnel_hops_replaced_total",
     "Hops that took the place of one that failed.",
     METRIC_AT(struct circuit_stats, hops_replaced)},
    {"warren_tunnel_steps_repeated_total",
     "CREATEs and EXTENDs of ours that were said again.",
     METRIC_AT(struct circuit_stats, repeated)},
    {"warren_tunnel_circuit_cells_total", "Cells of our own circuits.",
     METRIC_AT(struct circuit_stats, cells_up), "way", "up"},
    {"warren_tunnel_circuit_cells_total", "",
     METRIC_AT(struct circuit_stats, cells_down), "way", "down"},
    {"warren_tunnel_circuit_dropped_total",
     "Cells of our own circuits dropped, by reason.",
     METRIC_AT(struct circuit_stats, dropped_layer), "reason", "layer"},
    {"warren_tunnel_circuit_dropped_total", "",
     METRIC_AT(struct circuit_stats, dropped_message), "reason", "message"},
};

static void add_transits(const struct transits *transits, struct metrics *m)
{
    const struct transit_queue *queue = transits_queue(transits);

    METRICS_ROWS(m, transit_rows, transits_stats(transits));
    /* Of the family of the last row. */
    metrics_labelled(m, "reason", "bandwidth", queue->stats.dropped);
    metrics_counter(m, "warren_tunnel_waited_cells_total",
                    "Cells of others that left after they had waited.",
                    queue->stats.waited);
    metrics_gauge(m, "warren_tunnel_waiting_cells",
                  "Cells of others that wait for bandwidth.",
                  queue->root.count);
}

static void add_failed(const struct circuit_stats *s, struct metrics *m)
{
    metrics_family(m, "warren_tunnel_hop_failed_total", METRIC_COUNTER,
                   "Hops of circuits that failed, by hop and reason.");
    for (unsigned hop = 0; hop < ONION_HOPS_MAX; hop++) {
        char number[16];

        snprintf(number, sizeof(number), "%u", hop + 1);
        for (int r = 0; r < REASON_END_; r++) {
            struct metric_label labels[] = {{"hop", number},
                                            {"reason", reason_label(r)}};

            metrics_sample(m, labels, 2, s->failed[hop][r]);
        }
    }
}

static void add_ready(const struct member *t, const struct member_status *now,
                      struct metrics *m)
{
    metrics_family(m, "warren_tunnel_ready_ratio", METRIC_GAUGE,
                   "Available circuits divided by min_circuits.");
    metrics_double(m, member_ready(t));
    metrics_family(m, "warren_tunnel_step_timeout_seconds", METRIC_GAUGE,
                   "How long a hop may take to answer while building.");
    metrics_double(m, (double)now->step_timeout / (double)TIME_S);
}

/* ---- Directory ---------------------------------------------------------- */

static const struct metric_row known_rows[] = {
    {"warren_directory_relays", "Relays known.",
     METRIC_AT(struct directory_status, known)},
    {"warren_directory_usable", "Of those, usable now.",
     METRIC_AT(struct directory_status, usable)},
    {"warren_directory_exits", "Of those, exits.",
     METRIC_AT(struct directory_status, exits)},
    {"warren_directory_guards", "Guards.",
     METRIC_AT(struct directory_status, guards)},
    {"warren_directory_failing", "Relays that failed lately.",
     METRIC_AT(struct directory_status, failing)},
    {"warren_directory_doubtful", "Relays at which circuits break often.",
     METRIC_AT(struct directory_status, doubtful)},
    {"warren_directory_candidates", "Addresses to ask for a descriptor.",
     METRIC_AT(struct directory_status, candidates)},
    {"warren_directory_memory_bytes", "Held, about.",
     METRIC_AT(struct directory_status, memory)},
};

static const struct metric_row host_rows[] = {
    {"warren_directory_restored",
     "Relays of the last run that were taken at the start.",
     METRIC_AT(struct tunnel_host_counters, restored.taken)},
    {"warren_directory_not_restored", "Relays of the last run that were not.",
     METRIC_AT(struct tunnel_host_counters, restored.refused)},
    {"warren_directory_not_remembered_total",
     "Relays that the store had no room for.",
     METRIC_AT(struct tunnel_host_counters, not_remembered)},
};

static const struct metric_row directory_rows[] = {
    {"warren_directory_asks_out_total", "Descriptors asked for.",
     METRIC_AT(struct directory_stats, asks_out)},
    {"warren_directory_asks_lost_total", "Of those, never answered.",
     METRIC_AT(struct directory_stats, asks_lost)},
    {"warren_directory_asks_spared_total",
     "Endpoints not asked, because many of their host or network were, and no "
     "relay has answered there.",
     METRIC_AT(struct directory_stats, asks_spared)},
    {"warren_directory_asks_in_total", "Times that our own was asked for.",
     METRIC_AT(struct directory_stats, asks_in)},
    {"warren_directory_cookies_out_total",
     "Times that a cookie was sent instead, because many asked.",
     METRIC_AT(struct directory_stats, cookies_out)},
    {"warren_directory_cookies_in_total",
     "Cookies that came instead of a descriptor.",
     METRIC_AT(struct directory_stats, cookies_in)},
    {"warren_directory_witnesses_total",
     "Times that one who showed his address said where he reached us.",
     METRIC_AT(struct directory_stats, witnesses)},
    {"warren_directory_returns_total",
     "Nodes asked for a descriptor because they wished to be asked.",
     METRIC_AT(struct directory_stats, returns)},
    {"warren_directory_returns_refused_total",
     "Of those, not asked, because there were too many.",
     METRIC_AT(struct directory_stats, returns_refused)},
    {"warren_directory_tells_in_total", "Descriptors that came.",
     METRIC_AT(struct directory_stats, tells_in)},
    {"warren_directory_tells_out_total",
     "Times that our own descriptor was told.",
     METRIC_AT(struct directory_stats, tells_out)},
    {"warren_directory_sample_asks_out_total",
     "Neighbours asked for a sample of relays.",
     METRIC_AT(struct directory_stats, sample_asks_out)},
    {"warren_directory_sample_asks_in_total",
     "Times that a neighbour asked for one.",
     METRIC_AT(struct directory_stats, sample_asks_in)},
    {"warren_directory_samples_in_total",
     "Samples of relays that neighbours gave.",
     METRIC_AT(struct directory_stats, samples_in)},
    {"warren_directory_samples_out_total", "Samples given to neighbours.",
     METRIC_AT(struct directory_stats, samples_out)},
    {"warren_directory_lookups_total", "Keys of relays looked up in the DHT.",
     METRIC_AT(struct directory_stats, lookups)},
    {"warren_directory_lookups_failed_total", "Of those, without an answer.",
     METRIC_AT(struct directory_stats, lookups_failed)},
    {"warren_directory_fetches_total",
     "Descriptors looked up in the DHT by their identity.",
     METRIC_AT(struct directory_stats, fetches)},
    {"warren_directory_puts_total", "Times that this node published itself.",
     METRIC_AT(struct directory_stats, puts)},
    {"warren_directory_puts_failed_total",
     "Of those, refused by the DHT's engine.",
     METRIC_AT(struct directory_stats, puts_failed)},
    {"warren_directory_learned_total", "Relays learned of.",
     METRIC_AT(struct directory_stats, learned)},
    {"warren_directory_renewed_total", "Newer descriptors of known relays.",
     METRIC_AT(struct directory_stats, renewed)},
    {"warren_directory_gone_total",
     "Relays put aside because they did not answer when others missed them.",
     METRIC_AT(struct directory_stats, gone)},
    {"warren_directory_evicted_total", "Relays that made room for others.",
     METRIC_AT(struct directory_stats, evicted)},
    {"warren_directory_rotations_total", "Handshake keys renewed.",
     METRIC_AT(struct directory_stats, rotations)},
    {"warren_directory_refused_total", "Descriptors refused, by reason.",
     METRIC_EACH(struct directory_stats, refused, "reason", 1,
                 metrics_error_label)},
};

static const struct metric_row puncture_rows[] = {
    {"warren_puncture_asked_total",
     "Nodes behind a NAT that neighbours were asked to tell of us.",
     METRIC_AT(struct puncture_stats, asked)},
    {"warren_puncture_introduced_total", "Neighbours told of a stranger.",
     METRIC_AT(struct puncture_stats, introduced)},
    {"warren_puncture_poked_total", "Strangers to whom our NAT was opened.",
     METRIC_AT(struct puncture_stats, poked)},
};

/* ---- Exit --------------------------------------------------------------- */

static const struct metric_row exit_rows[] = {
    {"warren_exit_sent_total", "Datagrams to the Internet.",
     METRIC_AT(struct exit_stats, sent)},
    {"warren_exit_sent_bytes_total", "Their bytes.",
     METRIC_AT(struct exit_stats, sent_bytes)},
    {"warren_exit_received_total", "Answers from the Internet.",
     METRIC_AT(struct exit_stats, received)},
    {"warren_exit_received_bytes_total", "Their bytes.",
     METRIC_AT(struct exit_stats, received_bytes)},
    {"warren_exit_refused_total", "Datagrams that were not sent, by reason.",
     METRIC_EACH(struct exit_stats, refused, "reason", 0, reason_label)},
    {"warren_exit_dropped_total", "Datagrams that the system dropped.",
     METRIC_AT(struct exit_stats, dropped)},
    {"warren_exit_strangers_total", "Datagrams from where nothing was sent to.",
     METRIC_AT(struct exit_stats, strangers)},
    {"warren_exit_late_total", "Answers to circuits that were gone.",
     METRIC_AT(struct exit_stats, late)},
    {"warren_exit_questions_total", "Questions to the DNS.",
     METRIC_AT(struct exit_stats, questions)},
    {"warren_exit_cache_hits_total", "Names whose addresses were remembered.",
     METRIC_AT(struct exit_stats, cache_hits)},
    {"warren_exit_late_answers_total",
     "Answers of the DNS that nobody waited for any more.",
     METRIC_AT(struct exit_stats, late_answers)},
    {"warren_exit_lookups_total", "Names that streams asked for.",
     METRIC_AT(struct exit_stats, lookups)},
    {"warren_exit_displaced_total",
     "Questions and circuits' sockets that made room for others.",
     METRIC_AT(struct exit_stats, displaced)},
    {"warren_exit_circuits", "Circuits that send here.",
     METRIC_AT(struct exit_stats, circuits)},
    {"warren_exit_sockets", "Their sockets.",
     METRIC_AT(struct exit_stats, sockets)},
    {"warren_exit_open_questions", "Questions that the DNS has not answered.",
     METRIC_AT(struct exit_stats, open_questions)},
    {"warren_exit_waiting", "Datagrams and lookups that wait for the DNS.",
     METRIC_AT(struct exit_stats, waiting)},
    {"warren_exit_names", "Names remembered.",
     METRIC_AT(struct exit_stats, names)},
};

static const struct metric_row policy_rows[] = {
    {"warren_exit_policy_total", "Destinations decided on, by verdict.",
     METRIC_EACH(struct policy, verdicts, "verdict", 0, verdict_label)},
};

static const struct metric_row tcp_policy_rows[] = {
    {"warren_exit_tcp_policy_total",
     "Destinations of streams decided on, by verdict.",
     METRIC_EACH(struct policy, verdicts, "verdict", 0, verdict_label)},
};

static void add_line(struct metrics *m, size_t at, const char *line,
                     uint64_t hits)
{
    char number[16];
    struct metric_label labels[] = {{"number", number}, {"line", line}};

    snprintf(number, sizeof(number), "%zu", at + 1);
    metrics_sample(m, labels, 2, hits);
}

/* In their order; the last one is the default. */
static void add_policy(const struct policy *p, const char *name,
                       const char *help, struct metrics *m)
{
    metrics_family(m, name, METRIC_COUNTER, help);
    for (size_t i = 0; i < p->count; i++) {
        char line[POLICY_LINE_SIZE];

        add_line(m, i, policy_print_line(&p->lines[i], line), p->lines[i].hits);
    }
    add_line(m, p->count, p->accept_rest ? "accept *" : "reject *",
             p->rest_hits);
}

static void add_exit(const struct tunnel_host *h, struct metrics *m)
{
    const struct exit *x = member_exit(tunnel_host_member(h));
    struct exit_stats s = {0};

    if (x != NULL)
        exit_get_stats(x, &s);
    s.dropped += tunnel_host_exit_dropped(h);
    METRICS_ROWS(m, exit_rows, &s);
    metrics_family(m, "warren_exit_answers_lost_total", METRIC_COUNTER,
                   "Answers that got no further than their socket, by reason.");
    for (int i = 0; i < EXIT_LOST_REASONS; i++)
        metrics_labelled(m, "reason", exit_lost_name((enum exit_lost)i),
                         tunnel_host_exit_lost(h, (enum exit_lost)i));
    METRICS_ROWS(m, policy_rows, tunnel_host_policy(h));
    add_policy(tunnel_host_policy(h), "warren_exit_policy_line_total",
               "Destinations that a line of the policy decided on.", m);
    METRICS_ROWS(m, tcp_policy_rows, tunnel_host_tcp_policy(h));
    add_policy(tunnel_host_tcp_policy(h), "warren_exit_tcp_policy_line_total",
               "Destinations of streams that a line of theirs decided on.", m);
}

void tunnel_metrics(const struct tunnel_host *h, uint64_t now,
                    struct metrics *m)
{
    const struct member *t = tunnel_host_member(h);
    const struct router *router = member_router(t);
    const struct directory *directory = member_directory(t);
    uint64_t wall = clock_wall();
    struct member_status s;
    struct directory_status d;

    member_status(t, now, wall, &s);
    directory_status(directory, wall, now, &d);
    METRICS_ROWS(m, status_rows, &s);
    METRICS_ROWS(m, link_rows, links_stats(router->shared.links));
    METRICS_ROWS(m, router_rows, router);
    add_transits(router->transits, m);
    METRICS_ROWS(m, circuit_rows, circuits_stats(router->circuits));
    add_failed(circuits_stats(router->circuits), m);
    add_ready(t, &s, m);
    meeting_metrics(member_meeting(t), m);
    METRICS_ROWS(m, known_rows, &d);
    metrics_gauge(m, "warren_directory_published",
                  "Whether this node has a descriptor of its own.",
                  s.published);
    METRICS_ROWS(m, host_rows, tunnel_host_counters(h));
    METRICS_ROWS(m, directory_rows, directory_stats(directory));
    METRICS_ROWS(m, puncture_rows, member_punctures(t));
    add_exit(h, m);
    stream_metrics(h, m);
    proxy_metrics(h, m);
}
