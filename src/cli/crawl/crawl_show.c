/* SPDX-License-Identifier: MIT
 *
 * The page for people.
 */
#include "base/timestamp.h"
#include "cli/crawl/crawl_findings.h"
#include "cli/show/screen.h"
#include "dht/types/dht_version.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LINES 5 /* of a list on the page: the files have all */
#define LIMIT 4096

/* ---- Working it out ------------------------------------------------------ */

static const uint8_t widths[FAMILIES][CRAWL_PREFIXES] = {{32, 24, 16},
                                                         {64, 48, 32}};

static enum error find_family(struct crawl_findings *f, enum family family)
{
    const struct crawl *c = f->walk->c;
    enum error err = crawl_report(c, family, &f->report[family]);

    for (int i = 0; i < CRAWL_PREFIXES && err == OK; i++) {
        struct crawl_prefixes *p = &f->prefixes[family][i];

        p->bits = widths[family][i];
        err = crawl_networks(c, family, p->bits, &p->networks, &p->count);
    }
    if (err == OK)
        err = crawl_clusters(c, family, &f->clusters[family],
                             &f->cluster_count[family]);
    return err;
}

struct crawl_findings *crawl_find(const struct crawl_walk *w)
{
    struct crawl_findings *f = calloc(1, sizeof(*f));
    enum error err = OK;

    if (f == NULL)
        return NULL;
    f->walk = w;
    crawl_counts(w->c, &f->counts);
    for (int i = 0; i < FAMILIES && err == OK; i++) {
        f->has[i] = w->config.family[i];
        err = find_family(f, (enum family)i);
    }
    if (err == OK)
        return f;
    crawl_findings_free(f);
    return NULL;
}

void crawl_findings_free(struct crawl_findings *f)
{
    if (f == NULL)
        return;
    for (int i = 0; i < FAMILIES; i++) {
        for (int p = 0; p < CRAWL_PREFIXES; p++)
            free(f->prefixes[i][p].networks);
        free(f->clusters[i]);
    }
    free(f);
}

bool crawl_found_any(const struct crawl_findings *f)
{
    return f->report[FAMILY_IPV4].states[CRAWL_ANSWERED] +
               f->report[FAMILY_IPV6].states[CRAWL_ANSWERED] >
           0;
}

const char *crawl_family_title(enum family f)
{
    return f == FAMILY_IPV4 ? "IPv4" : "IPv6";
}

const char *crawl_family_key(enum family f)
{
    return f == FAMILY_IPV4 ? "ipv4" : "ipv6";
}

uint64_t crawl_findings_refused(const struct crawl_findings *f)
{
    uint64_t sum = f->counts.refused_full;

    for (int i = 0; i < SOURCE_LEVELS; i++)
        sum += f->counts.refused_sources[i];
    return sum;
}

/* ---- The page ------------------------------------------------------------ */

static void show_size(const struct crawl_report *r)
{
    if (!r->size.known) {
        screen_line("  size", "unknown: too little was seen");
        return;
    }
    screen_line("  size",
                "%.0f nodes that answer, between %.0f and %.0f (95 %%, by %s)",
                r->size.nodes, floor(r->size.low), ceil(r->size.high),
                r->recapture.known ? "recapture" : "density");
    if (r->recapture.known && r->density.known)
        screen_line("",
                    "by density %.0f, between %.0f and %.0f, around %u "
                    "random ids",
                    r->density.nodes, floor(r->density.low),
                    ceil(r->density.high), r->density.samples);
}

static void show_states(const struct crawl_report *r)
{
    screen_line("  seen",
                "%" PRIu64 " nodes answered, of %" PRIu64
                " addresses that are known; %" PRIu64 " silent, %" PRIu64
                " refused, %" PRIu64 " not sent, %" PRIu64 " not asked",
                r->states[CRAWL_ANSWERED], r->named, r->states[CRAWL_SILENT],
                r->states[CRAWL_REFUSED], r->states[CRAWL_UNSENT],
                r->states[CRAWL_NAMED] + r->states[CRAWL_WAITS] +
                    r->states[CRAWL_ASKED]);
    if (r->states[CRAWL_ANSWERED] == 0)
        return;
    screen_line("  round trip",
                "%.1f ms (half of them), 5 %% below %.1f, 95 %% below %.1f",
                r->rtt_ms[2], r->rtt_ms[0], r->rtt_ms[4]);
}

static void show_versions(const struct crawl_report *r)
{
    char version[DHT_VERSION_TEXT];
    struct text t;

    text_init(&t, LIMIT);
    for (unsigned i = 0; i < r->version_count; i++)
        text_addf(&t, "%s%" PRIu32 " %s", i > 0 ? ", " : "",
                  r->versions[i].nodes,
                  r->versions[i].len == 0
                      ? "unknown"
                      : dht_version_print(
                            bytes_of(r->versions[i].text, r->versions[i].len),
                            version));
    if (r->other_versions > 0)
        text_addf(&t, ", %" PRIu32 " others", r->other_versions);
    if (r->version_count > 0)
        screen_line("  versions", "%s", text_get(&t));
    text_deinit(&t);
}

static void show_networks(const struct crawl_prefixes *p)
{
    char prefix[ENDPOINT_TEXT_SIZE], label[16];
    struct text t;

    if (p->count == 0)
        return;
    text_init(&t, LIMIT);
    for (size_t i = 0; i < p->count && i < LINES && p->networks[i].nodes > 1;
         i++)
        text_addf(&t, "%s%" PRIu32 " in %s", i > 0 ? ", " : "; ",
                  p->networks[i].nodes,
                  endpoint_print_addr(&p->networks[i].prefix, prefix));
    snprintf(label, sizeof(label), "  in /%u", p->bits);
    screen_line(label, "%zu different%s", p->count, text_get(&t));
    text_deinit(&t);
}

static void show_doubts(const struct crawl_report *r)
{
    if (r->id_at_odds > 0)
        screen_line("  ids", "%" PRIu32 " that BEP 42 does not allow there",
                    r->id_at_odds);
    if (r->id_changed > 0)
        screen_line("",
                    "%" PRIu32 " answered by another id than they were "
                    "named by",
                    r->id_changed);
    if (r->liars > 0)
        screen_line("  made up",
                    "%" PRIu32 " nodes name %" PRIu32 " addresses that nobody "
                    "else knows and that are silent: not counted above",
                    r->liars, r->lies);
}

static void show_clusters(const struct crawl_findings *f, enum family family)
{
    const struct crawl_cluster *c = f->clusters[family];
    size_t count = f->cluster_count[family];
    char prefix[ID_TEXT_SIZE];

    if (count == 0) {
        screen_line("  close ids", "none closer than by chance");
        return;
    }
    for (size_t i = 0; i < count && i < LINES; i++) {
        int digits = (c[i].bits + 3) / 4;

        screen_line(i == 0 ? "  close ids" : "",
                    "%" PRIu32 " from %" PRIu32 " address%s begin with the %d "
                    "bits of %.*s; by chance 10^%.0f such groups",
                    c[i].nodes, c[i].hosts, c[i].hosts == 1 ? "" : "es",
                    c[i].bits, digits, id_print(&c[i].prefix, prefix),
                    c[i].chance);
    }
    if (count > LINES)
        screen_line("", "and %zu more groups: --csv DIR has them",
                    count - LINES);
}

static void show_effort(const struct crawl_findings *f)
{
    uint64_t s = crawl_walk_time(f->walk) / TIME_S;

    screen_line(
        "asked", "%" PRIu64 " times in %" PRIu64 " s%s", f->counts.queries, s,
        f->walk->over ? "" : ", and is not at the end: --resume goes on");
    if (crawl_findings_refused(f) > 0)
        screen_line(
            "left out",
            "%" PRIu64 " names above the caps: %" PRIu64 " of hosts, %" PRIu64
            " of sites, %" PRIu64 " of networks, %" PRIu64 " of all",
            crawl_findings_refused(f),
            f->counts.refused_sources[SOURCE_HOST] +
                f->counts.refused_sources[SOURCE_LINE],
            f->counts.refused_sources[SOURCE_SITE],
            f->counts.refused_sources[SOURCE_NETWORK], f->counts.refused_full);
    if (f->counts.contradicting > 0)
        screen_line("", "%" PRIu64 " answers contradicted themselves",
                    f->counts.contradicting);
}

void crawl_show_page(const struct crawl_findings *f)
{
    for (int i = 0; i < FAMILIES; i++) {
        if (!f->has[i])
            continue;
        printf("%s\n", crawl_family_title((enum family)i));
        show_size(&f->report[i]);
        show_states(&f->report[i]);
        show_versions(&f->report[i]);
        for (int p = 0; p < CRAWL_PREFIXES; p++)
            show_networks(&f->prefixes[i][p]);
        show_doubts(&f->report[i]);
        if (f->report[i].states[CRAWL_ANSWERED] > 0)
            show_clusters(f, (enum family)i);
    }
    show_effort(f);
}
