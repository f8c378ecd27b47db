/* SPDX-License-Identifier: MIT */
#include "node/config/files_plan.h"

#define OWN                                                                    \
    32                 /* besides the sockets that nodes talk through; some to \
                          spare for who is accepted only to be sent away */
#define NAMES        8 /* of bootstrap nodes, and our own questions */
#define OF_AN_ANSWER 2 /* files: what UDP cut off is asked for by TCP */

void files_plan(const struct config *config, unsigned clients, unsigned pages,
                struct files_plan *out)
{
    bool exit = config->tunnel.become_exitnode;

    *out = (struct files_plan){
        .own = OWN + config->listen.count,
        .names = NAMES +
                 (exit ? OF_AN_ANSWER * config->tunnel.exit.max_questions : 0),
        .clients = clients,
        .pages = pages,
        .sockets = exit ? config->tunnel.exit.max_sockets : 0,
    };
}

unsigned files_plan_questions(const struct files_plan *p)
{
    return p->names < NAMES + OF_AN_ANSWER ? 1
                                           : (p->names - NAMES) / OF_AN_ANSWER;
}

unsigned files_plan_sum(const struct files_plan *p)
{
    return p->own + p->names + p->clients + p->pages + p->sockets;
}

static unsigned least(unsigned wanted)
{
    return wanted < 1 ? wanted : 1;
}

static void lower(unsigned *share, unsigned most)
{
    if (*share > most)
        *share = most == 0 ? 1 : most;
}

bool files_plan_fit(struct files_plan *p, unsigned limit)
{
    struct files_plan fit = *p;
    unsigned rest;

    if (limit < p->own + least(p->names) + least(p->clients) + least(p->pages) +
                    least(p->sockets))
        return false;
    rest = limit - p->own;
    lower(&fit.names, rest / 4);
    lower(&fit.clients, rest / 4);
    lower(&fit.pages, rest / 8);
    rest -= fit.names + fit.clients + fit.pages;
    if (fit.sockets > rest)
        fit.sockets = rest;
    *p = fit;
    return true;
}

void files_plan_explain(const struct files_plan *wanted,
                        const struct files_plan *granted, unsigned limit,
                        struct text *out)
{
    if (files_plan_sum(granted) == files_plan_sum(wanted))
        return;
    text_addf(out,
              "this process may have %u files open, and the settings can need "
              "%u:",
              limit, files_plan_sum(wanted));
    if (granted->sockets < wanted->sockets)
        text_addf(out, " at most %u sockets of the exit instead of %u,",
                  granted->sockets, wanted->sockets);
    if (granted->names < wanted->names)
        text_addf(out, " at most %u questions to the DNS instead of %u,",
                  files_plan_questions(granted), files_plan_questions(wanted));
    if (granted->clients < wanted->clients)
        text_addf(out, " at most %u control clients instead of %u,",
                  granted->clients, wanted->clients);
    text_add(out, " the rest is for control, store, DNS and pages; raise the "
                  "hard limit (`ulimit -Hn`, LimitNOFILE= of a unit, "
                  "--ulimit nofile= of docker)");
    if (granted->sockets < wanted->sockets)
        text_add(out, ", or lower max_sockets in [exit]");
}
