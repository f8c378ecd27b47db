/* SPDX-License-Identifier: MIT */
#include "node/tunnel_metrics.h"

#include "node/clock.h"
#include "tunnel/tunnel.h"

#include <stdio.h>

static void by_reason(struct metrics *m, const char *name, const char *help,
                      const uint64_t count[REASON_END_])
{
    metrics_family(m, name, METRIC_COUNTER, help);
    for (int r = 0; r < REASON_END_; r++)
        metrics_labelled(m, "reason", reason_name((enum reason)r), count[r]);
}

static void by_error(struct metrics *m, const char *name, const char *help,
                     const uint64_t count[ERR_END_])
{
    metrics_family(m, name, METRIC_COUNTER, help);
    for (int e = 1; e < ERR_END_; e++)
        metrics_labelled(m, "reason", error_name((enum error)e), count[e]);
}

/* ---- Links -------------------------------------------------------------- */

static void add_links(const struct tunnel *t, const struct tunnel_status *now,
                      struct metrics *m)
{
    const struct link_stats *s = links_stats(tunnel_engine(t)->core.links);

    metrics_gauge(m, "warren_tunnel_links", "Links with neighbours.",
                  now->links);
    metrics_counter(m, "warren_tunnel_links_opened_total",
                    "Links that came up, of both sides.", s->opened);
    metrics_counter(m, "warren_tunnel_links_failed_total",
                    "Links of ours that did not come up.", s->failed);
    metrics_counter(m, "warren_tunnel_link_inits_in_total",
                    "Handshakes that others began.", s->inits_in);
    metrics_counter(m, "warren_tunnel_link_inits_out_total",
                    "Handshakes begun here, with those tried again.",
                    s->inits_out);
    metrics_counter(m, "warren_tunnel_link_accepts_total",
                    "Handshakes accepted.", s->accepts_out);
    metrics_counter(m, "warren_tunnel_link_retries_total",
                    "Cookies given under load.", s->retries_out);
    metrics_counter(m, "warren_tunnel_link_refuses_total",
                    "Handshakes of another version.", s->refuses_out);
    metrics_counter(m, "warren_tunnel_link_half_open_evicted_total",
                    "Links of others that made room before their first cell.",
                    s->half_open_evicted);
    metrics_counter(m, "warren_tunnel_link_rekeys_total", "Keys renewed.",
                    s->rekeys);
    metrics_counter(m, "warren_tunnel_cells_in_total", "Cells received.",
                    s->cells_in);
    metrics_counter(m, "warren_tunnel_cells_out_total", "Cells sent.",
                    s->cells_out);
    by_error(m, "warren_tunnel_dropped_total",
             "Tunnel datagrams dropped, by reason.", tunnel_engine(t)->dropped);
}

/* ---- Relays ------------------------------------------------------------- */

static void add_relays(const struct tunnel *t, const struct tunnel_status *now,
                       struct metrics *m)
{
    const struct relays *relays = tunnel_engine(t)->relays;
    const struct relay_stats *s = relays_stats(relays);
    const struct relay_queue *queue = relays_queue(relays);

    metrics_gauge(m, "warren_tunnel_relays",
                  "Circuits of others that this node takes part in.",
                  now->relays);
    metrics_counter(m, "warren_tunnel_relays_created_total",
                    "Circuits of others that began here.", s->created);
    metrics_counter(m, "warren_tunnel_relays_refused_total",
                    "Circuits of others that were not taken.", s->refused);
    metrics_counter(m, "warren_tunnel_relays_extended_total",
                    "Circuits of others that were extended from here.",
                    s->extended);
    by_reason(m, "warren_tunnel_relays_ended_total",
              "Circuits of others that ended, by reason.", s->ended);
    by_reason(m, "warren_tunnel_extend_failed_total",
              "Extensions for others that failed, by reason.", s->failed);
    metrics_family(m, "warren_tunnel_relayed_cells_total", METRIC_COUNTER,
                   "Cells relayed for others.");
    metrics_labelled(m, "way", "forward", s->cells_forward);
    metrics_labelled(m, "way", "backward", s->cells_backward);
    metrics_family(m, "warren_tunnel_relay_dropped_total", METRIC_COUNTER,
                   "Cells of others dropped, by reason.");
    metrics_labelled(m, "reason", "layer", s->dropped_layer);
    metrics_labelled(m, "reason", "message", s->dropped_message);
    metrics_labelled(m, "reason", "no_next", s->dropped_no_next);
    metrics_labelled(m, "reason", "bandwidth", queue->stats.dropped);
    metrics_gauge(m, "warren_tunnel_waiting_cells",
                  "Cells of others that wait for bandwidth.", queue->count);
}

/* ---- Circuits of our own ------------------------------------------------ */

static void add_failed(const struct circuit_stats *s, struct metrics *m)
{
    metrics_family(m, "warren_tunnel_hop_failed_total", METRIC_COUNTER,
                   "Hops of circuits that failed, by hop and reason.");
    for (unsigned hop = 0; hop < ONION_HOPS_MAX; hop++) {
        char number[16];

        snprintf(number, sizeof(number), "%u", hop + 1);
        for (int r = 0; r < REASON_END_; r++) {
            struct metric_label labels[] = {
                {"hop", number}, {"reason", reason_name((enum reason)r)}};

            metrics_sample(m, labels, 2, s->failed[hop][r]);
        }
    }
}

static void add_circuits(const struct tunnel *t,
                         const struct tunnel_status *now, struct metrics *m)
{
    const struct circuit_stats *s = circuits_stats(tunnel_engine(t)->circuits);

    metrics_gauge(m, "warren_tunnel_circuits", "Circuits of our own.",
                  now->circuits);
    metrics_gauge(m, "warren_tunnel_circuits_ready",
                  "Of those, that data can be sent over.", now->ready);
    metrics_family(m, "warren_tunnel_ready_ratio", METRIC_GAUGE,
                   "Available circuits divided by min_circuits.");
    metrics_double(m, tunnel_ready(t));
    metrics_family(m, "warren_tunnel_step_timeout_seconds", METRIC_GAUGE,
                   "How long a hop may take to answer while building.");
    metrics_double(m, (double)now->step_timeout / (double)TIME_S);
    metrics_counter(m, "warren_tunnel_circuits_started_total",
                    "Circuits begun.", s->started);
    metrics_counter(m, "warren_tunnel_circuits_built_total",
                    "Circuits that became ready.", s->ready);
    by_reason(m, "warren_tunnel_circuits_ended_total",
              "Circuits that ended, by reason.", s->ended);
    metrics_counter(m, "warren_tunnel_hops_replaced_total",
                    "Hops that took the place of one that failed.",
                    s->hops_replaced);
    add_failed(s, m);
    metrics_family(m, "warren_tunnel_circuit_cells_total", METRIC_COUNTER,
                   "Cells of our own circuits.");
    metrics_labelled(m, "way", "up", s->cells_up);
    metrics_labelled(m, "way", "down", s->cells_down);
    metrics_family(m, "warren_tunnel_circuit_dropped_total", METRIC_COUNTER,
                   "Cells of our own circuits dropped, by reason.");
    metrics_labelled(m, "reason", "layer", s->dropped_layer);
    metrics_labelled(m, "reason", "message", s->dropped_message);
}

/* ---- Directory ---------------------------------------------------------- */

static void add_known(const struct tunnel_host *h,
                      const struct tunnel_status *now,
                      const struct directory_status *d, struct metrics *m)
{
    const struct tunnel_host_counters *c = tunnel_host_counters(h);

    metrics_gauge(m, "warren_directory_relays", "Relays known.", d->known);
    metrics_gauge(m, "warren_directory_usable", "Of those, usable now.",
                  d->usable);
    metrics_gauge(m, "warren_directory_exits", "Of those, exits.", d->exits);
    metrics_gauge(m, "warren_directory_guards", "Guards.", d->guards);
    metrics_gauge(m, "warren_directory_failing", "Relays that failed lately.",
                  d->failing);
    metrics_gauge(m, "warren_directory_candidates",
                  "Addresses to ask for a descriptor.", d->candidates);
    metrics_gauge(m, "warren_directory_memory_bytes", "Held, about.",
                  d->memory);
    metrics_gauge(m, "warren_directory_published",
                  "Whether this node has a descriptor of its own.",
                  now->published);
    metrics_gauge(m, "warren_directory_restored",
                  "Relays of the last run that were taken at the start.",
                  c->restored);
    metrics_gauge(m, "warren_directory_not_restored",
                  "Relays of the last run that were not.", c->not_restored);
    metrics_counter(m, "warren_directory_not_remembered_total",
                    "Relays that the store had no room for.",
                    c->not_remembered);
}

static void add_directory(const struct directory_stats *s, struct metrics *m)
{
    metrics_counter(m, "warren_directory_asks_out_total",
                    "Descriptors asked for.", s->asks_out);
    metrics_counter(m, "warren_directory_asks_lost_total",
                    "Of those, never answered.", s->asks_lost);
    metrics_counter(m, "warren_directory_tells_in_total",
                    "Descriptors that came.", s->tells_in);
    metrics_counter(m, "warren_directory_tells_out_total",
                    "Times that our own descriptor was told.", s->tells_out);
    metrics_counter(m, "warren_directory_samples_in_total",
                    "Samples of relays that neighbours gave.", s->samples_in);
    metrics_counter(m, "warren_directory_samples_out_total",
                    "Samples given to neighbours.", s->samples_out);
    metrics_counter(m, "warren_directory_lookups_total",
                    "Keys of relays looked up in the DHT.", s->lookups);
    metrics_counter(m, "warren_directory_lookups_failed_total",
                    "Of those, without an answer.", s->lookups_failed);
    metrics_counter(m, "warren_directory_puts_total",
                    "Times that this node published itself.", s->puts);
    metrics_counter(m, "warren_directory_puts_failed_total",
                    "Of those, refused by the DHT's engine.", s->puts_failed);
    metrics_counter(m, "warren_directory_learned_total", "Relays learned of.",
                    s->learned);
    metrics_counter(m, "warren_directory_renewed_total",
                    "Newer descriptors of known relays.", s->renewed);
    metrics_counter(m, "warren_directory_evicted_total",
                    "Relays that made room for others.", s->evicted);
    metrics_counter(m, "warren_directory_rotations_total",
                    "Handshake keys renewed.", s->rotations);
    by_error(m, "warren_directory_refused_total",
             "Descriptors refused, by reason.", s->refused);
}

/* ---- Exit --------------------------------------------------------------- */

static void add_policy(const struct policy *p, struct metrics *m)
{
    metrics_family(m, "warren_exit_policy_total", METRIC_COUNTER,
                   "Destinations decided on, by verdict.");
    for (int v = 0; v < POLICY_VERDICTS; v++)
        metrics_labelled(m, "verdict",
                         policy_verdict_name((enum policy_verdict)v),
                         p->verdicts[v]);
}

static void add_exit(const struct exit_stats *s, struct metrics *m)
{
    metrics_counter(m, "warren_exit_sent_total", "Datagrams to the Internet.",
                    s->sent);
    metrics_counter(m, "warren_exit_sent_bytes_total", "Their bytes.",
                    s->sent_bytes);
    metrics_counter(m, "warren_exit_received_total",
                    "Answers from the Internet.", s->received);
    metrics_counter(m, "warren_exit_received_bytes_total", "Their bytes.",
                    s->received_bytes);
    by_reason(m, "warren_exit_refused_total",
              "Datagrams that were not sent, by reason.", s->refused);
    metrics_counter(m, "warren_exit_dropped_total",
                    "Datagrams that the system dropped.", s->dropped);
    metrics_counter(m, "warren_exit_strangers_total",
                    "Datagrams from where nothing was sent to.", s->strangers);
    metrics_counter(m, "warren_exit_late_total",
                    "Answers to circuits that were gone.", s->late);
    metrics_counter(m, "warren_exit_questions_total", "Questions to the DNS.",
                    s->questions);
    metrics_counter(m, "warren_exit_cache_hits_total",
                    "Names whose addresses were remembered.", s->cache_hits);
    metrics_counter(m, "warren_exit_late_answers_total",
                    "Answers of the DNS that nobody waited for any more.",
                    s->late_answers);
    metrics_gauge(m, "warren_exit_circuits", "Circuits that send here.",
                  s->circuits);
    metrics_gauge(m, "warren_exit_sockets", "Their sockets.", s->sockets);
    metrics_gauge(m, "warren_exit_open_questions",
                  "Questions that the DNS has not answered.",
                  s->open_questions);
    metrics_gauge(m, "warren_exit_waiting", "Datagrams that wait for the DNS.",
                  s->waiting);
    metrics_gauge(m, "warren_exit_names", "Names remembered.", s->names);
}

void tunnel_metrics(const struct tunnel_host *h, uint64_t now,
                    struct metrics *m)
{
    const struct tunnel *t = tunnel_host_engine(h);
    const struct directory *directory = tunnel_directory(t);
    uint64_t wall = clock_wall();
    struct exit_stats exit = {0};
    struct tunnel_status s;
    struct directory_status d;

    tunnel_status(t, now, wall, &s);
    directory_status(directory, wall, now, &d);
    if (tunnel_exit(t) != NULL)
        exit_get_stats(tunnel_exit(t), &exit);
    exit.dropped += tunnel_host_exit_dropped(h);
    add_links(t, &s, m);
    add_relays(t, &s, m);
    add_circuits(t, &s, m);
    add_known(h, &s, &d, m);
    add_directory(directory_stats(directory), m);
    add_exit(&exit, m);
    add_policy(tunnel_host_policy(h), m);
}
