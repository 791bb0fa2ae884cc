/* Inside model/: the parts of the change report's form. */
#ifndef GITGATE_MODEL_REPORT_PRIV_H
#define GITGATE_MODEL_REPORT_PRIV_H

#include "ipc/codec.h"
#include "model/report.h"

#define REPORT_TEXT_MAX 1024
#define REPORT_PATH_MAX 65536

/*
 * The documents, and behind them what upstream had, stand at the end, and only
 * where there is something to say: so a report without any has the form, and
 * the digest, that it had before there were documents.
 */
void report_documents_encode(const struct change_report *r, struct buf *out);
void report_documents_decode(struct dec *d, struct change_report *r);
void report_documents_release(struct change_report *r);

#endif
