/* Agent Trace: the same bytes as lines and as one file. */
#include "provenance.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO(change_report) r = fuzz_report();

	fuzz_document(r, DOCUMENT_AGENT_TRACE, ".agent-trace/t.jsonl", "",
	    view_of(data, size));
	fuzz_document(r, DOCUMENT_AGENT_TRACE, ".agent-trace/t.json", "",
	    view_of(data, size));
	fuzz_check_records(r);
	return 0;
}
