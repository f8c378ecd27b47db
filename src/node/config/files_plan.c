/* SPDX-License-Identifier: MIT
 *
 * A new share is a member of struct files_plan, and a line in each function
 * here; what opens the files has to keep to it (files_plan_keep).
 */
#include "node/config/files_plan.h"

/* Besides the sockets that nodes talk through: some for the names of bootstrap
 * nodes, some for who is accepted only to be sent away. */
#define OWN 40

/* Of one name that is asked for: the socket, and one of TCP for an answer that
 * was cut off. */
#define OF_A_QUESTION 2

/* max_sockets of services is of the sockets for datagrams, and once more of the
 * connections of streams. */
#define OF_SERVICES 2

void files_plan(const struct config *config, unsigned clients, unsigned pages,
                struct files_plan *out)
{
    bool exit = config->tunnel.become_exitnode;
    bool tcp = exit && config->tunnel.exit_tcp;

    *out = (struct files_plan){
        .own = OWN + config->listen.count + config->socks.count +
               config->dns.count,
        .names = exit ? OF_A_QUESTION * config->tunnel.exit.max_questions : 0,
        .clients = clients,
        .pages = pages,
        .services = config->services.count > 0
                        ? OF_SERVICES * config->max_service_sockets
                        : 0,
        .proxy = config->socks.count > 0 ? config->socks_max_clients +
                                               config->socks_max_associations
                                         : 0,
        .tcp = tcp ? config->tunnel.outlet.max_sockets : 0,
        .sockets = exit ? config->tunnel.exit.max_sockets : 0,
    };
}

unsigned files_plan_sum(const struct files_plan *p)
{
    return p->own + p->names + p->clients + p->pages + p->services + p->proxy +
           p->tcp + p->sockets;
}

/* Of each that is wanted at all one is to be there. */
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
                    least(p->services) + least(p->proxy) + least(p->tcp) +
                    least(p->sockets))
        return false;
    /* Three tenths, or more, are left to the proxy and the exit. */
    rest = limit - p->own;
    lower(&fit.names, rest / 5);
    lower(&fit.clients, rest / 5);
    lower(&fit.pages, rest / 8);
    lower(&fit.services, rest / 6);
    rest -= fit.names + fit.clients + fit.pages + fit.services;
    lower(&fit.proxy, fit.sockets > 0 ? rest / 2 : rest);
    rest -= fit.proxy;
    lower(&fit.tcp, rest / 2);
    rest -= fit.tcp;
    if (fit.sockets > rest)
        fit.sockets = rest;
    *p = fit;
    return true;
}

static void keep(unsigned *cap, unsigned most)
{
    if (*cap > most)
        *cap = most < 1 ? 1 : most;
}

/* An eighth, or what is left over, to the sockets of associations. */
static void keep_proxy(struct config *config, unsigned most)
{
    if (config->socks_max_clients + config->socks_max_associations <= most)
        return;
    keep(&config->socks_max_associations, most / 8);
    keep(&config->socks_max_clients, most - config->socks_max_associations);
}

void files_plan_keep(const struct files_plan *p, struct config *config)
{
    if (config->tunnel.become_exitnode) {
        keep(&config->tunnel.exit.max_sockets, p->sockets);
        keep(&config->tunnel.exit.max_questions, p->names / OF_A_QUESTION);
        keep(&config->tunnel.outlet.max_sockets, p->tcp);
    }
    if (p->clients > 0)
        keep(&config->max_control_clients, p->clients);
    if (p->services > 0)
        keep(&config->max_service_sockets, p->services / OF_SERVICES);
    if (p->proxy > 0)
        keep_proxy(config, p->proxy);
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
    if (granted->tcp < wanted->tcp)
        text_addf(out, " at most %u TCP connections of it instead of %u,",
                  granted->tcp, wanted->tcp);
    if (granted->names < wanted->names)
        text_addf(out, " at most %u questions to the DNS instead of %u,",
                  granted->names / OF_A_QUESTION,
                  wanted->names / OF_A_QUESTION);
    if (granted->clients < wanted->clients)
        text_addf(out, " at most %u control clients instead of %u,",
                  granted->clients, wanted->clients);
    if (granted->services < wanted->services)
        text_addf(out, " at most %u local sockets of services instead of %u,",
                  granted->services / OF_SERVICES,
                  wanted->services / OF_SERVICES);
    if (granted->proxy < wanted->proxy)
        text_addf(out, " at most %u sockets of the proxy instead of %u,",
                  granted->proxy, wanted->proxy);
    text_add(out, " the rest is for control, store, DNS and pages; raise the "
                  "hard limit (`ulimit -Hn`, LimitNOFILE= of a unit, "
                  "--ulimit nofile= of docker)");
    if (granted->sockets < wanted->sockets)
        text_add(out, ", or lower max_sockets in [exit]");
    if (granted->tcp < wanted->tcp)
        text_add(out, ", or tcp_max_sockets");
}
