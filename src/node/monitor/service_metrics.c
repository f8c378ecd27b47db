/* SPDX-License-Identifier: MIT
 *
 * The part of /metrics that is about hidden services: first what there is of
 * each by its name, then what all of them have counted. Ages of what has not
 * happened yet are left out.
 */
#include "node/monitor/service_metrics.h"

#include "tunnel/meeting/meeting.h"
#include "tunnel/stem/finder.h"

/* ---- Each --------------------------------------------------------------- */

/* One that does not run has zeros. */
static struct service_status status_of(const struct service_host *h,
                                       const struct hosted *s, uint64_t now)
{
    struct service_status status = {.id = 0};

    if (s->id != 0)
        service_get_status(service_host_engine(h), s->id, now, &status);
    return status;
}

static uint64_t points(const struct service_status *s)
{
    return s->points;
}

static uint64_t peers(const struct service_status *s)
{
    return s->peers;
}

static uint64_t queued(const struct service_status *s)
{
    return s->queued;
}

static uint64_t effort(const struct service_status *s)
{
    return s->effort;
}

static uint64_t runs(const struct service_status *s)
{
    return s->id != 0;
}

/* A string that finds nobody is no less reachable for it. */
static uint64_t fine(const struct service_status *s)
{
    return s->id != 0 &&
           (s->problem == SERVICE_FINE || s->problem == SERVICE_ALONE);
}

static const struct {
    const char *name, *help;
    uint64_t (*value)(const struct service_status *s);
} each[] = {
    {"warren_service_runs", "Whether the service could be started.", runs},
    {"warren_service_fine", "Whether nothing is known to be wrong with it.",
     fine},
    {"warren_service_points", "Introduction points that are up.", points},
    {"warren_service_peers", "Peers of the service.", peers},
    {"warren_service_queued", "Introductions that wait for a circuit.", queued},
    {"warren_service_effort", "Work that it asks for.", effort},
};

static void add_age(const struct service_host *h, uint64_t now,
                    const char *name, const char *help, bool verified,
                    struct metrics *m)
{
    metrics_family(m, name, METRIC_GAUGE, help);
    for (unsigned i = 0; i < service_host_count(h); i++) {
        const struct hosted *s = service_host_at(h, i);
        struct service_status status = status_of(h, s, now);
        uint64_t at = verified ? status.verified_at : status.published_at;

        if (at != 0)
            metrics_labelled(m, "service", s->name,
                             time_since(at, now) / TIME_S);
    }
}

static void add_each(const struct service_host *h, uint64_t now,
                     struct metrics *m)
{
    for (size_t k = 0; k < sizeof(each) / sizeof(each[0]); k++) {
        metrics_family(m, each[k].name, METRIC_GAUGE, each[k].help);
        for (unsigned i = 0; i < service_host_count(h); i++) {
            const struct hosted *s = service_host_at(h, i);
            struct service_status status = status_of(h, s, now);

            metrics_labelled(m, "service", s->name, each[k].value(&status));
        }
    }
    add_age(h, now, "warren_service_published_age_seconds",
            "Since its descriptor was stored in the DHT.", false, m);
    add_age(h, now, "warren_service_verified_age_seconds",
            "Since it was found there again.", true, m);
}

/* ---- All ---------------------------------------------------------------- */

static const char *result_label(int r)
{
    return introduction_result_name((enum introduction_result)r);
}

static const char *drop_label(int d)
{
    return local_drop_name((enum local_drop)d);
}

static const struct metric_row engine_rows[] = {
    {"warren_services_introductions_total",
     "Introductions to services of this node, by result.",
     METRIC_EACH(struct services_stats, introductions, "result", 0,
                 result_label)},
    {"warren_services_joins_total", "Peers that came at a rendezvous.",
     METRIC_AT(struct services_stats, joins)},
    {"warren_services_joins_failed_total", "Rendezvous that came to nothing.",
     METRIC_AT(struct services_stats, joins_failed)},
    {"warren_services_connects_total", "Services of others connected to.",
     METRIC_AT(struct services_stats, connects)},
    {"warren_services_connects_failed_total", "Attempts that failed.",
     METRIC_AT(struct services_stats, connects_failed)},
    {"warren_services_resumed_total", "Channels that outlived a lost circuit.",
     METRIC_AT(struct services_stats, resumed)},
    {"warren_services_moved_total", "Channels moved to a fresh circuit.",
     METRIC_AT(struct services_stats, moved)},
    {"warren_services_lookups_total", "Descriptors looked up.",
     METRIC_AT(struct services_stats, lookups)},
    {"warren_services_lookups_failed_total", "Of those, without an answer.",
     METRIC_AT(struct services_stats, lookups_failed)},
    {"warren_services_puts_total", "Descriptors published.",
     METRIC_AT(struct services_stats, puts)},
    {"warren_services_puts_failed_total", "Of those, not stored.",
     METRIC_AT(struct services_stats, puts_failed)},
};

static const struct metric_row finder_rows[] = {
    {"warren_services_lookup_hops_total",
     "Last hops of lookups that another took the place of, by what they did.",
     METRIC_AT(struct finder_stats, silent), "result", "silent"},
    {"warren_services_lookup_hops_total", "",
     METRIC_AT(struct finder_stats, refused), "result", "refused"},
    {"warren_services_lookup_hops_total", "",
     METRIC_AT(struct finder_stats, lost), "result", "lost"},
    {"warren_services_lookup_dropped_total",
     "Answers of last hops that were dropped: not authentic, or to nothing "
     "that was asked.",
     METRIC_AT(struct finder_stats, forged), "reason", "forged"},
    {"warren_services_lookup_dropped_total", "",
     METRIC_AT(struct finder_stats, unexpected), "reason", "unexpected"},
    {"warren_services_lookup_seen_twice_total",
     "Last hops that saw two keys of a service: there was no other.",
     METRIC_AT(struct finder_stats, seen_twice)},
};

static const struct metric_row host_rows[] = {
    {"warren_services_no_port_total",
     "Datagrams of peers for a port that the service does not have.",
     METRIC_AT(struct service_host_counters, no_port)},
    {"warren_services_not_sent_total",
     "Answers of local servers that no peer could get any more.",
     METRIC_AT(struct service_host_counters, not_sent)},
    {"warren_services_not_remembered_total", "What the store had no room for.",
     METRIC_AT(struct service_host_counters, not_remembered)},
    {"warren_services_not_solved_total",
     "Challenges that no thread could be had for.",
     METRIC_AT(struct service_host_counters, not_solved)},
};

static const struct metric_row local_rows[] = {
    {"warren_services_local_sockets",
     "Local sockets, one for each peer and port.",
     METRIC_AT(struct local_counters, sockets)},
    {"warren_services_local_total", "Datagrams to and from local servers.",
     METRIC_AT(struct local_counters, to_server), "way", "to_server"},
    {"warren_services_local_total", "",
     METRIC_AT(struct local_counters, from_server), "way", "from_server"},
    {"warren_services_local_dropped_total",
     "Datagrams that did not get to a local server, by reason.",
     METRIC_EACH(struct local_counters, dropped, "reason", 0, drop_label)},
};

void service_metrics(const struct service_host *h, uint64_t now,
                     struct metrics *m)
{
    const struct services *engine = service_host_engine(h);

    if (engine == NULL)
        return;
    add_each(h, now, m);
    METRICS_ROWS(m, engine_rows, services_stats(engine));
    METRICS_ROWS(m, finder_rows, services_finder_stats(engine));
    metrics_gauge(m, "warren_services_stems",
                  "Circuits that are ready for services.",
                  services_stems_ready(engine));
    METRICS_ROWS(m, host_rows, service_host_counters(h));
    METRICS_ROWS(m, local_rows, service_host_ports(h));
}

/* ---- For others --------------------------------------------------------- */

static const char *ack_label(int a)
{
    return meeting_status_name((enum meeting_status)a);
}

static const char *reason_label(int r)
{
    return reason_name((enum reason)r);
}

static const struct metric_row meeting_rows[] = {
    {"warren_meeting_introductions",
     "Services of others that clients are introduced to here.",
     METRIC_AT(struct meeting_stats, introductions)},
    {"warren_meeting_waiting", "Introductions that a service has not answered.",
     METRIC_AT(struct meeting_stats, waiting)},
    {"warren_meeting_topics", "Strings whose members are kept.",
     METRIC_AT(struct meeting_stats, topics)},
    {"warren_meeting_entries", "Their members.",
     METRIC_AT(struct meeting_stats, entries)},
    {"warren_meeting_cookies", "Clients that wait for a service to come.",
     METRIC_AT(struct meeting_stats, cookies)},
    {"warren_meeting_lookups", "Lookups for others under way.",
     METRIC_AT(struct meeting_stats, lookups)},
    {"warren_meeting_memory_bytes", "Held for all of it, about.",
     METRIC_AT(struct meeting_stats, memory)},
    {"warren_meeting_established_total",
     "Circuits of services that became introduction points here.",
     METRIC_AT(struct meeting_stats, established)},
    {"warren_meeting_replaced_total", "Of those, in place of an older one.",
     METRIC_AT(struct meeting_stats, replaced)},
    {"warren_meeting_made_way_total",
     "Introduction points, entries and cookies that made way for others.",
     METRIC_AT(struct meeting_stats, made_way)},
    {"warren_meeting_introduced_total", "Clients introduced to a service.",
     METRIC_AT(struct meeting_stats, introduced)},
    {"warren_meeting_repeated_total", "Requests that were said again.",
     METRIC_AT(struct meeting_stats, repeated)},
    {"warren_meeting_acks_total",
     "Answers to clients that wanted to be introduced, by status.",
     METRIC_EACH(struct meeting_stats, acks, "status", 0, ack_label)},
    {"warren_meeting_joined_total", "Circuits joined with another.",
     METRIC_AT(struct meeting_stats, joined)},
    {"warren_meeting_join_refused_total", "Of those asked for, not joined.",
     METRIC_AT(struct meeting_stats, join_refused)},
    {"warren_meeting_cookies_over_total",
     "Clients to whom no service came in time.",
     METRIC_AT(struct meeting_stats, cookies_over)},
    {"warren_meeting_members_told_total", "Times that members were told.",
     METRIC_AT(struct meeting_stats, members_told)},
    {"warren_meeting_requests_total", "Requests for others, by kind.",
     METRIC_AT(struct meeting_stats, gets), "kind", "get"},
    {"warren_meeting_requests_total", "", METRIC_AT(struct meeting_stats, puts),
     "kind", "put"},
    {"warren_meeting_requests_total", "", METRIC_AT(struct meeting_stats, asks),
     "kind", "relay"},
    {"warren_meeting_lookups_failed_total", "Of those, that failed.",
     METRIC_AT(struct meeting_stats, lookups_failed)},
    {"warren_meeting_refused_total", "Requests refused, by reason.",
     METRIC_EACH(struct meeting_stats, refused, "reason", 0, reason_label)},
    {"warren_meeting_dropped_total",
     "What was no request, or not from a client.",
     METRIC_AT(struct meeting_stats, dropped)},
};

void meeting_metrics(const struct meeting *meeting, struct metrics *m)
{
    struct meeting_stats s;

    meeting_stats(meeting, &s);
    METRICS_ROWS(m, meeting_rows, &s);
}
