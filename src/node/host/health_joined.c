/* SPDX-License-Identifier: MIT
 *
 * Whether the node has joined its DHT, and the mainline DHT where it is in that
 * too: who was asked, and what the one shows of the other. A DHT that nobody
 * has to be in is no trouble.
 */
#include "node/host/health_internal.h"

#include "base/timestamp.h"

#include <inttypes.h>
#include <stdio.h>

/* Of a DHT where nobody answers: an error while there is no other to find
 * relays in. */
static enum health_level level_without(const struct node *n, enum store_dht dht)
{
    enum store_dht other = dht == STORE_DHT ? STORE_MAINLINE : STORE_DHT;

    return !health_is_provider(n, dht) ||
                   (health_is_provider(n, other) && health_has_joined(n, other))
               ? HEALTH_WARNING
               : HEALTH_ERROR;
}

/* ---- Joined ------------------------------------------------------------- */

/* The way in is a relay that is found in the mainline DHT; without that one,
 * what is said of it is the reason. */
static void alone_among_mainline(const struct node *n, struct health *h)
{
    struct health_problem *p;

    if (!health_has_joined(n, STORE_MAINLINE))
        return;
    p = health_add(h, HEALTH_NOTE, "finding_relays");
    SAY(p->what, "relays are being looked for in the mainline DHT; this "
                 "network's own DHT is joined through them, which takes a "
                 "minute or so");
    SAY(p->remedy, "wait; if it stays so, see whether relays of this network "
                   "run, with the same `network` and with `dht_provider` as "
                   "here");
}

static void alone_without_bootstrap(const struct node *n, struct health *h)
{
    unsigned known = dht_host_restored(n->dht);
    struct health_problem *p;

    if (health_is_provider(n, STORE_MAINLINE)) {
        alone_among_mainline(n, h);
        return;
    }
    if (known == 0 && n->mainline != NULL) {
        p = health_add(h, HEALTH_NOTE, "mainline_only");
        SAY(p->what, "no node of this network's own DHT is known or "
                     "configured: this node has the mainline DHT alone");
        SAY(p->remedy, "nothing, if that is what it is for; else name a node "
                       "of the network in `bootstrap` in the section [dht]");
        return;
    }
    if (known == 0) {
        p = health_add(h, HEALTH_NOTE, "alone");
        SAY(p->what, "no other node is known and no bootstrap node is "
                     "configured: this node waits for others to join it");
    } else {
        p = health_add(h, HEALTH_WARNING, "nobody_answers");
        SAY(p->what,
            "none of the nodes from the last run (%u) has answered, "
            "and no bootstrap node is configured",
            known);
    }
    SAY(p->remedy, "unless this is the first node of a network, give it "
                   "another one: --bootstrap HOST:PORT, or `bootstrap` in the "
                   "section [dht] of its configuration");
}

/* What the other DHT shows: then it is not the way out that is missing. */
#define UDP_GETS_OUT                                                       \
    "the mainline DHT answers, so that UDP gets out of this machine: see " \
    "whether the other nodes run and are of this network, and name some "  \
    "that are in `bootstrap` in the section [dht]"

static void lost_all(const struct node *n, uint64_t now, struct health *h)
{
    struct health_problem *p =
        health_add(h, level_without(n, STORE_DHT), "no_nodes");

    SAY(p->what,
        "no other node has answered for %" PRIu64 " s: all that this one knew "
        "have fallen silent",
        time_since(dht_host_lost_at(n->dht), now) / TIME_S);
    SAY(p->remedy, "%s",
        health_has_joined(n, STORE_MAINLINE)
            ? UDP_GETS_OUT
            : "check that UDP gets out of this machine; it joins again by "
              "itself");
}

void health_check_joined(const struct node *n, uint64_t now, struct health *h)
{
    const char *trouble = dht_host_trouble(n->dht);
    struct health_problem *p;

    if (dht_host_joined(n->dht))
        return;
    if (dht_host_lost_at(n->dht) != TIME_NEVER && trouble == NULL) {
        lost_all(n, now, h);
        return;
    }
    if (n->config.bootstrap.count == 0) {
        alone_without_bootstrap(n, h);
        return;
    }
    if (dht_host_is_its_bootstrap(n->dht)) {
        p = health_add(h, HEALTH_NOTE, "alone");
        SAY(p->what, "the only bootstrap node that is configured is this node "
                     "itself: it waits for others to join it");
        SAY(p->remedy, "unless this is the first node of a network, name "
                       "another one in `bootstrap` in the section [dht]");
        return;
    }
    p = health_add(h, level_without(n, STORE_DHT),
                   trouble == NULL ? "no_nodes" : "bootstrap_name");
    if (trouble == NULL)
        SAY(p->what,
            "no other node has answered for %" PRIu64 " s, of %u in "
            "`bootstrap` and %u from the last run",
            time_since(n->started_at, now) / TIME_S, n->config.bootstrap.count,
            dht_host_restored(n->dht));
    else
        SAY(p->what, "%s", trouble);
    SAY(p->remedy, "%s",
        trouble != NULL ? "check the name, this machine's DNS (resolv.conf), "
                          "and which address families both have"
        : health_has_joined(n, STORE_MAINLINE)
            ? UDP_GETS_OUT
            : "check that UDP gets out of this machine and that the bootstrap "
              "nodes run and are of this network");
}

/* ---- The mainline DHT --------------------------------------------------- */

static void say_mainline(const struct node *n, uint64_t now, bool knows,
                         struct health_problem *p)
{
    const struct dht_host *m = n->mainline;
    const char *trouble = dht_host_trouble(m);

    if (dht_host_lost_at(m) != TIME_NEVER && trouble == NULL)
        SAY(p->what,
            "no node of the mainline DHT has answered for %" PRIu64
            " s: all that this one knew have fallen silent",
            time_since(dht_host_lost_at(m), now) / TIME_S);
    else if (trouble != NULL)
        SAY(p->what, "the mainline DHT is not joined: %.400s", trouble);
    else if (!knows)
        SAY(p->what, "no other node of the mainline DHT is known or "
                     "configured: this node waits for others to join it");
    else
        SAY(p->what,
            "no node of the mainline DHT has answered for %" PRIu64
            " s, of %u in `bootstrap`, %zu in `bootstrap_files` and %u from "
            "the last run",
            time_since(n->started_at, now) / TIME_S,
            n->config.mainline_bootstrap.count, dht_host_saved(m),
            dht_host_restored(m));
}

void health_check_mainline(const struct node *n, uint64_t now, struct health *h)
{
    struct health_problem *p;
    bool knows;

    if (n->mainline == NULL || dht_host_joined(n->mainline))
        return;
    if (n->unread_files[0] != '\0') {
        p = health_add(h, HEALTH_NOTE, "bootstrap_files");
        SAY(p->what, "%s", n->unread_files);
        SAY(p->remedy, "see to the file and send SIGHUP, or take it out of "
                       "`bootstrap_files`");
    }
    knows = dht_host_restored(n->mainline) + dht_host_saved(n->mainline) +
                n->config.mainline_bootstrap.count >
            0;
    p = health_add(h, level_without(n, STORE_MAINLINE), "no_mainline");
    say_mainline(n, now, knows && !dht_host_is_its_bootstrap(n->mainline), p);
    SAY(p->remedy,
        "%sname nodes that run in `bootstrap`, or saved tables in "
        "`bootstrap_files`, in the section [mainline]",
        !knows ? ""
        : health_has_joined(n, STORE_DHT)
            ? "the nodes of this network answer, so that UDP gets out of this "
              "machine: "
            : "check that UDP gets out of this machine, and ");
}
