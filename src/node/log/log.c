/* SPDX-License-Identifier: MIT
 *
 * A line passes four gates: its level is wanted (log_wants), its kind does not
 * come too fast (admit), it is put together (compose), and whoever reads
 * stderr has room for it (put). The last two that hold one back say so later:
 * the next line of the kind tells how many were left out, the next line of any
 * kind how many were lost.
 */
#include "node/log/log.h"

#include "base/text.h"
#include "base/timestamp.h"
#include "node/log/log_stderr.h"
#include "node/os/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Every byte of a message may become \u00NN; time and names come on top. */
#define LINE_MAX_ESCAPED (6 * LOG_LINE_MAX + 256)

/* How often one kind was written in the minute that began at `since`. */
struct kind {
    const char *format; /* NULL: unused */
    uint64_t since;
    uint32_t written;
    uint32_t suppressed; /* since the last line that was written */
};

struct log {
    struct log_config config;
    log_write_fn *write; /* NULL: to stderr */
    void *arg;
    struct log_stderr out;
    struct kind kinds[LOG_KINDS];
    uint64_t suppressed;
    uint64_t lost;
    uint64_t lost_untold; /* of these, since the last line that went out */
    struct text message;  /* reused for every line */
    struct text line;
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* As syslog numbers them. */
static const int priorities[] = {3, 4, 6, 7};

struct log *log_new(const struct log_config *config, log_write_fn *write,
                    void *arg)
{
    struct log *log = calloc(1, sizeof(*log));

    if (log == NULL)
        return NULL;
    log->config = *config;
    log->write = write;
    log->arg = arg;
    log_stderr_init(&log->out, STDERR_FILENO);
    text_init(&log->message, LOG_LINE_MAX);
    text_init(&log->line, LINE_MAX_ESCAPED);
    return log;
}

void log_free(struct log *log)
{
    if (log == NULL)
        return;
    log_stderr_deinit(&log->out);
    text_deinit(&log->message);
    text_deinit(&log->line);
    free(log);
}

void log_configure(struct log *log, const struct log_config *config)
{
    if (log != NULL)
        log->config = *config;
}

bool log_wants(const struct log *log, enum log_level level)
{
    return log != NULL && level <= log->config.level;
}

uint64_t log_suppressed(const struct log *log)
{
    return log == NULL ? 0 : log->suppressed;
}

uint64_t log_lost(const struct log *log)
{
    return log == NULL ? 0 : log->lost;
}

/* The entry of this kind: its own, an unused one, or the oldest. */
static struct kind *find_kind(struct log *log, const char *format)
{
    struct kind *best = &log->kinds[0];

    for (size_t i = 0; i < LOG_KINDS; i++) {
        struct kind *k = &log->kinds[i];

        if (k->format == format)
            return k;
        if (best->format == NULL)
            continue;
        if (k->format == NULL || k->since < best->since)
            best = k;
    }
    *best = (struct kind){.format = format};
    return best;
}

/* Counts a line; false when it comes too fast. `missed` gets how many of its
 * kind were left out before it. */
static bool admit(struct log *log, const char *format, uint64_t now,
                  uint32_t *missed)
{
    struct kind *k;

    *missed = 0;
    if (log->config.rate == 0)
        return true;
    k = find_kind(log, format);
    if (k->written == 0 || time_since(k->since, now) >= TIME_MIN) {
        k->since = now;
        k->written = 0;
    }
    if (k->written >= log->config.rate) {
        k->suppressed++;
        log->suppressed++;
        return false;
    }
    k->written++;
    *missed = k->suppressed;
    k->suppressed = 0;
    return true;
}

/* "2024-05-01T12:00:00.123Z" */
static void add_time(struct text *t, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char buf[32];

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(buf, sizeof(buf), "?");
    text_addf(t, "%s.%03uZ", buf, (unsigned)(wall_ms % 1000));
}

/* Makes the line of what is in log->message. */
static void compose(struct log *log, uint64_t wall_ms, enum log_level level,
                    uint32_t missed)
{
    struct bytes message = bytes_of(log->message.buf, log->message.len);
    struct text *line = &log->line;

    text_clear(line);
    if (log->write == NULL && log_stderr_is_journal(&log->out))
        text_addf(line, "<%d>", priorities[level]);
    if (log->config.format == LOG_TEXT) {
        add_time(line, wall_ms);
        text_addf(line, " %-5s ", level_names[level]);
        text_add_printable(line, message);
        if (missed > 0)
            text_addf(line, " (%u similar suppressed)", missed);
        return;
    }
    text_add(line, "{\"time\":\"");
    add_time(line, wall_ms);
    text_addf(line, "\",\"level\":\"%s\"", level_names[level]);
    if (missed > 0)
        text_addf(line, ",\"suppressed\":%u", missed);
    text_add(line, ",\"message\":");
    text_add_json(line, message);
    text_add(line, "}");
}

/* Hands out what is in log->message. */
static bool put(struct log *log, uint64_t wall_ms, enum log_level level,
                uint32_t missed)
{
    compose(log, wall_ms, level, missed);
    if (log->write != NULL) {
        log->write(log->arg, level, text_get(&log->line));
        return true;
    }
    text_add(&log->line, "\n");
    return log_stderr_write(&log->out, bytes_of(log->line.buf, log->line.len));
}

static void tell_lost(struct log *log, uint64_t wall_ms)
{
    if (log->lost_untold == 0)
        return;
    text_clear(&log->message);
    text_addf(&log->message,
              "%" PRIu64 " line%s lost: nobody read stderr, or it cannot be "
              "written",
              log->lost_untold, log->lost_untold == 1 ? " is" : "s are");
    if (put(log, wall_ms, LEVEL_WARN, 0))
        log->lost_untold = 0;
}

void log_line_at(struct log *log, uint64_t now, uint64_t wall_ms,
                 enum log_level level, const char *format, va_list args)
{
    uint32_t missed;

    if (!log_wants(log, level) || !admit(log, format, now, &missed))
        return;
    tell_lost(log, wall_ms);
    text_clear(&log->message);
    text_vaddf(&log->message, format, args);
    if (!put(log, wall_ms, level, missed)) {
        log->lost++;
        log->lost_untold++;
    }
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
    va_list args;

    if (!log_wants(log, level))
        return;
    va_start(args, format);
    log_line_at(log, clock_now(), clock_wall_ms(), level, format, args);
    va_end(args);
}

const char *log_endpoint(const struct log *log, const struct endpoint *ep,
                         char text[ENDPOINT_TEXT_SIZE])
{
    const uint8_t *a = ep->addr;

    if (log == NULL || log->config.addresses || !endpoint_is_global(ep))
        return endpoint_print(ep, text);
    if (ep->family == FAMILY_IPV4)
        snprintf(text, ENDPOINT_TEXT_SIZE, "%u.%u.x.x:%u", a[0], a[1],
                 ep->port);
    else
        snprintf(text, ENDPOINT_TEXT_SIZE, "[%x:%x:x]:%u", a[0] << 8 | a[1],
                 a[2] << 8 | a[3], ep->port);
    return text;
}
