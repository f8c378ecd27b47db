/* SPDX-License-Identifier: MIT
 *
 * What programs read: JSON, and comma-separated values.
 */
#include "base/timestamp.h"
#include "cli/crawl/crawl_findings.h"
#include "cli/show/say.h"
#include "dht/types/dht_version.h"
#include "dht/types/node_id.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_SIZE  1200
#define JSON_LIMIT (64 * 1024 * 1024)
#define JSON_LIST  20 /* of networks; the files have all */

/* ---- JSON ---------------------------------------------------------------- */

static void add_size(struct text *t, const char *key,
                     const struct crawl_size *s)
{
    if (s->known)
        text_addf(t,
                  ", \"%s\": {\"nodes\": %.1f, \"low\": %.1f, \"high\": %.1f, "
                  "\"samples\": %u}",
                  key, s->nodes, s->low, s->high, s->samples);
    else
        text_addf(t, ", \"%s\": null", key);
}

static void add_version(struct text *t, const struct crawl_version *v)
{
    char text[DHT_VERSION_TEXT];

    text_addf(t, "{\"version\": ");
    if (v->len == 0)
        text_add(t, "null");
    else
        text_add_json(t, bytes_of_text(dht_version_print(
                             bytes_of(v->text, v->len), text)));
    text_addf(t, ", \"nodes\": %" PRIu32 "}", v->nodes);
}

static void add_networks(struct text *t, const struct crawl_prefixes *p)
{
    char prefix[ENDPOINT_TEXT_SIZE];

    text_addf(t, "{\"bits\": %u, \"count\": %zu, \"most\": [", p->bits,
              p->count);
    for (size_t i = 0; i < p->count && i < JSON_LIST; i++)
        text_addf(t, "%s{\"prefix\": \"%s\", \"nodes\": %" PRIu32 "}",
                  i > 0 ? ", " : "",
                  endpoint_print_addr(&p->networks[i].prefix, prefix),
                  p->networks[i].nodes);
    text_add(t, "]}");
}

static void add_cluster(struct text *t, const struct crawl_cluster *c)
{
    char prefix[ID_TEXT_SIZE];

    text_addf(t,
              "{\"prefix\": \"%s\", \"bits\": %d, \"nodes\": %" PRIu32
              ", \"hosts\": %" PRIu32
              ", \"expected\": %.3g, \"log10_chance\": %.2f}",
              id_print(&c->prefix, prefix), c->bits, c->nodes, c->hosts,
              c->expected, c->chance);
}

static void add_states(struct text *t, const struct crawl_report *r)
{
    text_addf(t, "\"named\": %" PRIu64, r->named);
    for (int s = 0; s < CRAWL_STATES; s++)
        text_addf(t, ", \"%s\": %" PRIu64,
                  s == CRAWL_NAMED ? "unasked"
                                   : crawl_state_name((enum crawl_state)s),
                  r->states[s]);
    text_addf(t,
              ", \"rtt_ms\": {\"p5\": %.3f, \"p25\": %.3f, \"p50\": %.3f, "
              "\"p75\": %.3f, \"p95\": %.3f}",
              r->rtt_ms[0], r->rtt_ms[1], r->rtt_ms[2], r->rtt_ms[3],
              r->rtt_ms[4]);
    text_addf(t,
              ", \"id_changed\": %" PRIu32 ", \"id_at_odds\": %" PRIu32
              ", \"liars\": %" PRIu32 ", \"lies\": %" PRIu32,
              r->id_changed, r->id_at_odds, r->liars, r->lies);
}

static void add_family(struct text *t, const struct crawl_findings *f,
                       enum family family)
{
    const struct crawl_report *r = &f->report[family];

    text_addf(t, ", \"%s\": {", crawl_family_key(family));
    add_states(t, r);
    add_size(t, "size", &r->size);
    text_addf(t, ", \"size_by\": %s",
              !r->size.known       ? "null"
              : r->recapture.known ? "\"recapture\""
                                   : "\"density\"");
    add_size(t, "density", &r->density);
    add_size(t, "recapture", &r->recapture);
    text_add(t, ", \"versions\": [");
    for (unsigned i = 0; i < r->version_count; i++) {
        text_add(t, i > 0 ? ", " : "");
        add_version(t, &r->versions[i]);
    }
    text_addf(t, "], \"other_versions\": %" PRIu32 ", \"networks\": [",
              r->other_versions);
    for (int i = 0; i < CRAWL_PREFIXES; i++) {
        text_add(t, i > 0 ? ", " : "");
        add_networks(t, &f->prefixes[family][i]);
    }
    text_add(t, "], \"clusters\": [");
    for (size_t i = 0; i < f->cluster_count[family]; i++) {
        text_add(t, i > 0 ? ", " : "");
        add_cluster(t, &f->clusters[family][i]);
    }
    text_add(t, "]}");
}

void crawl_show_json(const struct crawl_findings *f)
{
    const struct crawl_counts *c = &f->counts;
    struct text t;

    text_init(&t, JSON_LIMIT);
    text_add(&t, "{\"network\": ");
    if (f->walk->record.mainline)
        text_add(&t, "null");
    else
        text_add_json(&t, bytes_of_text(f->walk->record.network));
    text_addf(&t,
              ", \"mainline\": %s, \"complete\": %s, \"queries\": %" PRIu64
              ", \"duration_ms\": %" PRIu64,
              f->walk->record.mainline ? "true" : "false",
              f->walk->over ? "true" : "false", c->queries,
              crawl_walk_time(f->walk) / TIME_MS);
    text_addf(&t,
              ", \"left_out\": {\"host\": %" PRIu64 ", \"site\": %" PRIu64
              ", \"network\": %" PRIu64 ", \"all\": %" PRIu64
              "}, \"contradicting\": %" PRIu64,
              c->refused_sources[SOURCE_HOST] + c->refused_sources[SOURCE_LINE],
              c->refused_sources[SOURCE_SITE],
              c->refused_sources[SOURCE_NETWORK], c->refused_full,
              c->contradicting);
    for (int i = 0; i < FAMILIES; i++) {
        if (f->has[i])
            add_family(&t, f, (enum family)i);
    }
    text_add(&t, "}");
    puts(text_get(&t));
    text_deinit(&t);
}

/* ---- Comma-separated values ---------------------------------------------- */

static FILE *open_file(const char *directory, const char *name)
{
    char path[PATH_SIZE];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    f = fopen(path, "w");
    if (f == NULL)
        cli_fail(EXIT_TROUBLE, "%s cannot be written: %s", path,
                 strerror(errno));
    return f;
}

static bool close_file(FILE *f, const char *name)
{
    bool good = ferror(f) == 0;

    if (fclose(f) == 0 && good)
        return true;
    cli_fail(EXIT_TROUBLE, "%s cannot be written: %s", name, strerror(errno));
    return false;
}

static void write_node(FILE *out, const struct crawl_node *n)
{
    char ep[ENDPOINT_TEXT_SIZE], id[ID_TEXT_SIZE];
    char version[DHT_VERSION_TEXT];
    bool seen = n->state == CRAWL_ANSWERED;

    fprintf(out, "%s,%s,%u,%s,%s,", crawl_family_key((enum family)n->ep.family),
            endpoint_print_addr(&n->ep, ep), n->ep.port,
            n->has_id ? id_print(&n->id, id) : "",
            crawl_state_name((enum crawl_state)n->state));
    if (seen)
        fprintf(out, "%.3f", n->rtt_us / 1e3);
    fprintf(out, ",%s,",
            dht_version_print(bytes_of(n->version, n->version_len), version));
    if (seen)
        fprintf(out, "%d", node_id_matches(&n->id, &n->ep));
    fprintf(out, ",%u,%u,%u,", n->names, n->named_by, n->tries);
    if (n->state != CRAWL_NAMED && n->state != CRAWL_ASKED)
        fprintf(out, "%.3f", n->settled_ms / 1e3);
    fputc('\n', out);
}

static bool write_nodes(const struct crawl_findings *f, const char *directory)
{
    FILE *out = open_file(directory, "nodes.csv");

    if (out == NULL)
        return false;
    fputs("family,address,port,id,state,rtt_ms,version,bep42,names,named_by,"
          "queries,settled_s\n",
          out);
    for (uint32_t i = 0; i < crawl_node_count(f->walk->c); i++)
        write_node(out, crawl_node_at(f->walk->c, i));
    return close_file(out, "nodes.csv");
}

static bool write_networks(const struct crawl_findings *f,
                           const char *directory)
{
    FILE *out = open_file(directory, "networks.csv");
    char prefix[ENDPOINT_TEXT_SIZE];

    if (out == NULL)
        return false;
    fputs("family,bits,prefix,rank,nodes\n", out);
    for (int i = 0; i < FAMILIES * CRAWL_PREFIXES; i++) {
        const struct crawl_prefixes *p =
            &f->prefixes[i / CRAWL_PREFIXES][i % CRAWL_PREFIXES];

        for (size_t n = 0; n < p->count; n++)
            fprintf(out, "%s,%u,%s,%zu,%" PRIu32 "\n",
                    crawl_family_key((enum family)(i / CRAWL_PREFIXES)),
                    p->bits,
                    endpoint_print_addr(&p->networks[n].prefix, prefix), n + 1,
                    p->networks[n].nodes);
    }
    return close_file(out, "networks.csv");
}

static bool write_clusters(const struct crawl_findings *f,
                           const char *directory)
{
    FILE *out = open_file(directory, "clusters.csv");
    char prefix[ID_TEXT_SIZE];

    if (out == NULL)
        return false;
    fputs("family,prefix,bits,nodes,hosts,expected,log10_chance\n", out);
    for (int i = 0; i < FAMILIES; i++) {
        for (size_t n = 0; n < f->cluster_count[i]; n++) {
            const struct crawl_cluster *c = &f->clusters[i][n];

            fprintf(out, "%s,%s,%d,%" PRIu32 ",%" PRIu32 ",%.3g,%.2f\n",
                    crawl_family_key((enum family)i),
                    id_print(&c->prefix, prefix), c->bits, c->nodes, c->hosts,
                    c->expected, c->chance);
        }
    }
    return close_file(out, "clusters.csv");
}

static void write_value(FILE *out, enum family f, const char *what,
                        double value)
{
    fprintf(out, "%s,%s,%.3f,,\n", crawl_family_key(f), what, value);
}

static void write_size(FILE *out, enum family f, const char *what,
                       const struct crawl_size *s)
{
    if (s->known)
        fprintf(out, "%s,%s,%.1f,%.1f,%.1f\n", crawl_family_key(f), what,
                s->nodes, s->low, s->high);
}

static void write_family(FILE *out, enum family f, const struct crawl_report *r)
{
    static const char *const quantiles[CRAWL_QUANTILES] = {
        "rtt_ms_p5", "rtt_ms_p25", "rtt_ms_p50", "rtt_ms_p75", "rtt_ms_p95"};

    write_value(out, f, "named", (double)r->named);
    for (int s = CRAWL_ANSWERED; s < CRAWL_STATES; s++)
        write_value(out, f, crawl_state_name((enum crawl_state)s),
                    (double)r->states[s]);
    write_size(out, f, "size", &r->size);
    write_size(out, f, "size_density", &r->density);
    write_size(out, f, "size_recapture", &r->recapture);
    for (int i = 0; i < CRAWL_QUANTILES; i++)
        write_value(out, f, quantiles[i], r->rtt_ms[i]);
    write_value(out, f, "liars", r->liars);
    write_value(out, f, "lies", r->lies);
}

static bool write_summary(const struct crawl_findings *f, const char *directory)
{
    FILE *out = open_file(directory, "summary.csv");

    if (out == NULL)
        return false;
    fputs("family,what,value,low,high\n", out);
    fprintf(out,
            "all,complete,%d,,\nall,queries,%" PRIu64
            ",,\nall,duration_s,%.3f,,\nall,left_out,%" PRIu64 ",,\n",
            f->walk->over, f->counts.queries,
            (double)crawl_walk_time(f->walk) / (double)TIME_S,
            crawl_findings_refused(f));
    for (int i = 0; i < FAMILIES; i++) {
        if (f->has[i])
            write_family(out, (enum family)i, &f->report[i]);
    }
    return close_file(out, "summary.csv");
}

enum exit_code crawl_write_csv(const struct crawl_findings *f,
                               const char *directory)
{
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return cli_fail(EXIT_TROUBLE, "%s cannot be made: %s", directory,
                        strerror(errno));
    return write_summary(f, directory) && write_nodes(f, directory) &&
                   write_networks(f, directory) && write_clusters(f, directory)
               ? EXIT_DONE
               : EXIT_TROUBLE;
}
