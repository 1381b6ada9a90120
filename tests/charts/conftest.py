from report.conftest import site as site
