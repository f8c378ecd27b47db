/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/errand.h"

#include <stdlib.h>
#include <string.h>

void dht_errands_init(struct errands *all, const struct laboratory *lab)
{
    *all = (struct errands){.lab = lab};
    all->last = &all->first;
}

static void free_list(struct errand *a)
{
    while (a != NULL) {
        struct errand *next = a->next;

        free(a->trace);
        free(a);
        a = next;
    }
}

void dht_errands_deinit(struct errands *all)
{
    free_list(all->first);
    free_list(all->spare);
    dht_errands_init(all, all->lab);
}

struct errand *errand_new(struct errands *all,
                          const struct population_member *m,
                          enum errand_for purpose, uint32_t what)
{
    struct errand *a = all->spare;

    if (a != NULL)
        all->spare = a->next;
    else
        a = malloc(sizeof(*a));
    if (a == NULL)
        return NULL;
    /* The request itself is made new by whoever begins it. */
    a->next = NULL;
    a->lab = all->lab;
    a->member = m->index;
    a->session = m->session;
    a->purpose = purpose;
    a->what = what;
    a->seq = 0;
    a->trace = NULL;
    a->seen = false;
    memset(&a->target, 0, sizeof(a->target));
    return a;
}

static void let_go(struct errands *all, struct errand *a)
{
    free(a->trace);
    a->trace = NULL;
    a->next = all->spare;
    all->spare = a;
}

enum error errand_begun(struct errands *all, struct errand *a, enum error err)
{
    if (err != OK) {
        let_go(all, a);
        return err;
    }
    *all->last = a;
    all->last = &a->next;
    all->count++;
    return OK;
}

void errands_harvest(struct errands *all,
                     void (*ended)(void *ctx, struct errand *a, bool done),
                     void *ctx)
{
    struct errand *rest = NULL, **last = &rest, *a = all->first;

    /* What is begun meanwhile comes after those that go on. */
    all->first = NULL;
    all->last = &all->first;
    while (a != NULL) {
        struct errand *next = a->next;
        bool there = population_still(all->lab->population, a->member,
                                      a->session) != NULL;

        a->next = NULL;
        if (there && !a->r.done) {
            *last = a;
            last = &a->next;
        } else {
            all->count--;
            ended(ctx, a, there);
            let_go(all, a);
        }
        a = next;
    }
    *last = all->first;
    if (all->first != NULL)
        last = all->last;
    all->first = rest;
    all->last = rest != NULL ? last : &all->first;
}
